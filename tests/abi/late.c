/* A host that links nothing: loads the library late, when it has threads and signal handlers
 * already, uses the header's types alone, and closes it again. With a second library, one in Go
 * too, it loads that one FIRST or LAST and uses both at once.
 *     late LIBRARY [first|last GUEST] */
#define DPATTN_NO_PROTOTYPES
#include "dpattn.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static dpattn_plugin_v1 dpattn;
static pthread_barrier_t loaded;

static int works(void)
{
    dpattn_params params;
    memset(&params, 0, sizeof params);
    params.struct_size = sizeof params;
    params.key_dim = params.value_dim = 8;
    params.degree = 2;
    params.adjacency = DPATTN_REPLACE;
    params.key_bound = params.value_bound = params.query_bound = 1;
    dpattn_budget budget = { sizeof budget, 0, 1, 1e-6 };
    dpattn_plan_result result = { .struct_size = sizeof result };
    dpattn_error err = DPATTN_ERROR_INIT;
    return dpattn.plan(&params, 1000, &budget, 0, &result, &err) == DPATTN_OK && result.features == 45 &&
           dpattn.build_info() != NULL;
}

/* A thread that was started before the library was loaded. */
static void *wait_and_use(void *good)
{
    pthread_barrier_wait(&loaded);
    *(int *)good = works();
    return NULL;
}

static int fill_table(void *library)
{
    dpattn_plugin_init_function init;
    void *symbol = dlsym(library, "dpattn_plugin_init");
    /* ISO C has no cast from void * to a function pointer; POSIX says that the representation is
     * the same. */
    memcpy(&init, &symbol, sizeof init);
    return symbol != NULL && init(DPATTN_PLUGIN_ABI, &dpattn, sizeof dpattn, NULL) == DPATTN_OK;
}

static volatile sig_atomic_t signals;
static sigjmp_buf after_fault;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void escape_fault(int number)
{
    (void)number;
    siglongjmp(after_fault, 1);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigaction(number, &action, NULL);
}

/* The host's own faults and signals still reach its own handlers. */
static int handlers_are_kept(void)
{
    signals = 0;
    raise(SIGUSR1);
    raise(SIGINT);
    raise(SIGPIPE);
    int faulted = sigsetjmp(after_fault, 1);
    if (!faulted) {
        volatile int *volatile nowhere = NULL;
        *nowhere = 1;
    }
    return faulted && signals == 3;
}

static int (*guest_work)(int);

static int load_guest(const char *path)
{
    void *guest = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol = guest != NULL ? dlsym(guest, "guest_work") : NULL;
    memcpy(&guest_work, &symbol, sizeof guest_work); /* as above */
    return guest_work != NULL;
}

/* Eight goroutines of the guest add up 0 .. n-1 each. */
static int guest_works(void)
{
    enum { N = 2000 };
    return guest_work(N) == 8 * (N * (N - 1) / 2);
}

static void *use_both(void *good)
{
    int all = 1;
    for (int i = 0; i < 20; i++)
        all &= works() && guest_works();
    *(int *)good = all;
    return NULL;
}

int main(int argc, char **argv)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    int good[THREADS] = { 0 }, passed = 0, checks = 0;
    if (argc != 2 && argc != 4)
        return 2;
    int guest_first = argc == 4 && strcmp(argv[2], "first") == 0, guest_last = argc == 4 && !guest_first;
    pthread_barrier_init(&loaded, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, wait_and_use, &good[i]);

    handle(SIGUSR1, count_signal);
    handle(SIGINT, count_signal);
    handle(SIGPIPE, count_signal);
    handle(SIGSEGV, escape_fault);

#define STEP(what) (checks++, (what) ? passed++ : printf("does not hold: %s\n", #what))
    if (guest_first)
        STEP(load_guest(argv[3]));
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        printf("%s\nlate: 0 passed, 1 failed\n", dlerror());
        return 1;
    }
    if (guest_last)
        STEP(load_guest(argv[3]));
    STEP(fill_table(library));
    pthread_barrier_wait(&loaded);
    STEP(works());
    STEP(handlers_are_kept());
    STEP(works());
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        STEP(good[i]);
    }

    if (guest_work != NULL) {
        for (int i = 0; i < THREADS; i++) {
            good[i] = 0;
            pthread_create(&threads[i], NULL, use_both, &good[i]);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            STEP(good[i]);
        }
        STEP(handlers_are_kept());
        STEP(works() && guest_works());
    }

    /* Closed, the library stays where it is; opened again, it is the same one. */
    void *before = dlsym(library, "dpattn_plan");
    STEP(dlclose(library) == 0);
    STEP(works());
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    STEP(library != NULL && dlsym(library, "dpattn_plan") == before);
    STEP(works());
    printf("late: %d passed, %d failed\n", passed, checks - passed);
    return passed != checks;
}
