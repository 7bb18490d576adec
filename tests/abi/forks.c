/* In a forked child every function answers FORKED at once, also when another thread was inside the
 * library at the fork. */
#include "abi.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

static dpattn_builder a_builder, b_builder;
static dpattn_release a_release;
static bytes file, partial;

static double numbers[16];
static dpattn_tensor keys, values, lse;

/* Each calls one function with good arguments. */
static int32_t fork_set_threads(void) { return dpattn_set_threads(1, &err); }
static int32_t fork_params_init(void)
{
    dpattn_params params;
    return dpattn_params_init(&params, sizeof params, &err);
}
static int32_t fork_plan(void)
{
    dpattn_params params = { .struct_size = sizeof params };
    dpattn_budget budget = typical_budget();
    dpattn_plan_result result = { .struct_size = sizeof result };
    return dpattn_plan(&params, 10, &budget, 0, &result, &err);
}
static int32_t fork_create(void)
{
    dpattn_params params = { .struct_size = sizeof params };
    dpattn_builder builder;
    return dpattn_builder_create(&params, &builder, &err);
}
static int32_t fork_add(void) { return dpattn_builder_add(a_builder, 0, &keys, &values, NULL, NULL, &err); }
static int32_t fork_builder_merge(void) { return dpattn_builder_merge(a_builder, b_builder, &err); }
static int32_t fork_export(void)
{
    size_t needed;
    return dpattn_builder_export_secret(a_builder, NULL, 0, &needed, &err);
}
static int32_t fork_import(void)
{
    dpattn_builder builder;
    return dpattn_builder_import_secret(partial.data, partial.size, &builder, &err);
}
static int32_t fork_diagnostics(void)
{
    dpattn_diagnostics diagnostics = { .struct_size = sizeof diagnostics };
    return dpattn_builder_diagnostics(a_builder, &diagnostics, &err);
}
static int32_t fork_builder_info(void)
{
    dpattn_info info = { .struct_size = sizeof info };
    return dpattn_builder_info(a_builder, &info, &err);
}
static int32_t fork_release(void)
{
    dpattn_budget budget = typical_budget();
    dpattn_release release;
    return dpattn_builder_release(a_builder, &budget, NULL, &release, &err);
}
static int32_t fork_builder_free(void) { return dpattn_builder_free(a_builder, &err); }
static int32_t fork_attend(void) { return dpattn_release_attend(a_release, &keys, &values, NULL, NULL, NULL, &err); }
static int32_t fork_attend_head(void)
{
    return dpattn_release_attend_head(a_release, 0, &keys, &values, NULL, NULL, NULL, &err);
}
static int32_t fork_info(void)
{
    dpattn_info info = { .struct_size = sizeof info };
    return dpattn_release_info(a_release, &info, &err);
}
static int32_t fork_certificate(void)
{
    size_t needed;
    return dpattn_release_certificate(a_release, NULL, 0, &needed, &err);
}
static int32_t fork_state(void)
{
    size_t needed;
    return dpattn_release_state(a_release, NULL, 0, &needed, &err);
}
static int32_t fork_save(void)
{
    size_t needed;
    return dpattn_release_save(a_release, NULL, 0, &needed, &err);
}
static int32_t fork_load(void)
{
    dpattn_release release;
    return dpattn_release_load(file.data, file.size, &release, &err);
}
static int32_t fork_retain(void)
{
    dpattn_release copy;
    return dpattn_release_retain(a_release, &copy, &err);
}
static int32_t fork_release_free(void) { return dpattn_release_free(a_release, &err); }
static int32_t fork_plugin_init(void)
{
    dpattn_plugin_v1 table;
    return dpattn_plugin_init(DPATTN_PLUGIN_ABI, &table, sizeof table, &err);
}
static int32_t fork_merge(void) { return dpattn_merge(&values, &lse, &values, &lse, &values, &lse, &err); }

/* These have no status; what they can say without the Go runtime they say. */
static int32_t fork_others(void)
{
    int good = dpattn_version() != 0 && strcmp(dpattn_version_string(), "") != 0 && dpattn_build_info() == NULL &&
               strcmp(dpattn_status_string(DPATTN_FORKED), "FORKED") == 0;
    err.code = DPATTN_FORKED;
    snprintf(err.message, sizeof err.message, "fork()");
    return good ? DPATTN_FORKED : DPATTN_OK;
}

static int32_t (*const calls[])(void) = {
    fork_set_threads, fork_params_init,  fork_plan,        fork_create,      fork_add,          fork_builder_merge,
    fork_export,      fork_import,       fork_diagnostics, fork_release,     fork_builder_free, fork_attend,
    fork_attend_head, fork_info,         fork_certificate, fork_state,       fork_save,         fork_load,
    fork_retain,      fork_release_free, fork_merge,       fork_plugin_init, fork_others,
    fork_builder_info,
};

/* One child a call: a hang is ended by its alarm and counts for that call alone. */
static void check_children(void)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(2);
            err = fresh_error();
            int good =
                calls[i]() == DPATTN_FORKED && err.code == DPATTN_FORKED && strstr(err.message, "fork()") != NULL;
            _exit(good ? 0 : 1);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (status != 0)
            printf("call %d of the list: wait status %#x\n", (int)i, (unsigned)status);
    }
}

static void prepare(void)
{
    dpattn_params params = typical_params();
    a_builder = builder_with_rows(&params, 5);
    b_builder = builder_with_rows(&params, 5);
    a_release = release_of(&params, 5, typical_budget());
    file = save_of(a_release);
    partial = export_of(b_builder);
    keys = matrix(numbers, DPATTN_F64, 1, KEY_DIM);
    values = matrix(numbers, DPATTN_F64, 1, VALUE_DIM);
    lse = matrix(numbers, DPATTN_F64, 1, 1);
}

static void finish(void)
{
    /* The parent goes on as if nothing had been. */
    OK(fork_info());
    OK(dpattn_builder_free(a_builder, &err));
    OK(dpattn_builder_free(b_builder, &err));
    OK(dpattn_release_free(a_release, &err));
    free(file.data);
    free(partial.data);
}

TEST(forked_child)
{
    prepare();
    check_children();
    finish();
}

static sem_t inside, leave;

static int32_t hold(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    (void)total;
    if (done == 0) {
        sem_post(&inside);
        sem_wait(&leave);
    }
    return 0;
}

static void *add_slowly(void *unused)
{
    (void)unused;
    dpattn_progress progress = { sizeof progress, 0, hold, NULL, NULL };
    OK(dpattn_builder_add(a_builder, 0, &keys, &values, NULL, &progress, &err));
    return NULL;
}

TEST(forked_child_amid_a_call)
{
    prepare();
    sem_init(&inside, 0, 0);
    sem_init(&leave, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, add_slowly, NULL);
    sem_wait(&inside); /* the thread holds the builder's lock and is in the middle of its call */
    check_children();
    sem_post(&leave);
    pthread_join(thread, NULL);
    finish();
}
