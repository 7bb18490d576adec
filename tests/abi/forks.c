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

/* Arguments that would do, and places for answers. */
static dpattn_params params;
static dpattn_structure_params structure;
static dpattn_budget budget;
static dpattn_allowance allowance;
static dpattn_plan_result plan = { .struct_size = sizeof plan };
static dpattn_diagnostics diagnostics = { .struct_size = sizeof diagnostics };
static dpattn_info info = { .struct_size = sizeof info };
static dpattn_structure_info structure_info = { .struct_size = sizeof structure_info };
static dpattn_plugin_v1 table;
static uint64_t handle, clipped;
static int64_t first, last = 1;
static size_t needed;

/* Every function that has a status, with arguments that it takes; where there is no tree, distance
 * or ledger, with the handle 0. */
#define EVERY(CALL)                                                                        \
    CALL(plan, &params, 10, &budget, 0, &plan)                                             \
    CALL(set_threads, 1)                                                                   \
    CALL(params_init, &params, sizeof params)                                              \
    CALL(builder_create, &params, &handle)                                                 \
    CALL(builder_add, a_builder, 0, &keys, &values, NULL, NULL)                            \
    CALL(builder_merge, a_builder, b_builder)                                              \
    CALL(builder_export_secret, a_builder, NULL, 0, &needed)                               \
    CALL(builder_import_secret, partial.data, partial.size, &handle)                       \
    CALL(builder_info, a_builder, &info)                                                   \
    CALL(builder_diagnostics, a_builder, &diagnostics)                                     \
    CALL(builder_release, a_builder, &budget, NULL, &handle)                               \
    CALL(builder_free, a_builder)                                                          \
    CALL(release_attend, a_release, &keys, &values, NULL, NULL, &clipped)                  \
    CALL(release_attend_head, a_release, 0, &keys, &values, NULL, NULL, &clipped)          \
    CALL(release_info, a_release, &info)                                                   \
    CALL(release_certificate, a_release, NULL, 0, &needed)                                 \
    CALL(release_state, a_release, NULL, 0, &needed)                                       \
    CALL(release_save, a_release, NULL, 0, &needed)                                        \
    CALL(release_load, file.data, file.size, &handle)                                      \
    CALL(release_retain, a_release, &handle)                                               \
    CALL(release_free, a_release)                                                          \
    CALL(merge, &values, &lse, &values, &lse, &values, &lse)                               \
    CALL(tree_create, &structure, numbers, NULL, NULL, 1, &budget, NULL, NULL, &handle)    \
    CALL(tree_query, 0, &first, &last, 1, numbers, NULL)                                   \
    CALL(tree_info, 0, &structure_info)                                                    \
    CALL(tree_certificate, 0, NULL, 0, &needed)                                            \
    CALL(tree_save, 0, NULL, 0, &needed)                                                   \
    CALL(tree_load, file.data, file.size, &handle)                                         \
    CALL(tree_free, 0)                                                                     \
    CALL(release_kv, a_release, &keys, &values, &lse)                                      \
    CALL(distance_create, &structure, &keys, NULL, NULL, &budget, NULL, NULL, &handle)     \
    CALL(distance_query, 0, &keys, &lse, NULL)                                             \
    CALL(distance_info, 0, &structure_info)                                                \
    CALL(distance_certificate, 0, NULL, 0, &needed)                                        \
    CALL(distance_save, 0, NULL, 0, &needed)                                               \
    CALL(distance_load, file.data, file.size, &handle)                                     \
    CALL(distance_free, 0)                                                                 \
    CALL(ledger_create, "/nowhere", &allowance, &handle)                                   \
    CALL(ledger_open, "/nowhere", &handle)                                                 \
    CALL(ledger_release, 0, "label", a_builder, &budget, NULL, &handle)                    \
    CALL(ledger_load, 0, "label", &handle)                                                 \
    CALL(ledger_show, 0, NULL, 0, &needed)                                                 \
    CALL(ledger_close, 0)                                                                  \
    CALL(plugin_init, DPATTN_PLUGIN_ABI, &table, sizeof table)

#define CALL(name, ...) \
    static int32_t fork_##name(void) { return dpattn_##name(__VA_ARGS__, &err); }
EVERY(CALL)
#undef CALL

/* Four functions have no status; what needs no Go runtime they still answer. */
static int32_t fork_others(void)
{
    int good = dpattn_version() != 0 && strcmp(dpattn_version_string(), "") != 0 && dpattn_build_info() == NULL &&
               strcmp(dpattn_status_string(DPATTN_FORKED), "FORKED") == 0;
    err.code = DPATTN_FORKED;
    snprintf(err.message, sizeof err.message, "fork()");
    return good ? DPATTN_FORKED : DPATTN_OK;
}

static const struct {
    const char *name;
    int32_t (*call)(void);
} calls[] = {
#define CALL(name, ...) { #name, fork_##name },
    EVERY(CALL)
#undef CALL
    { "others", fork_others },
};

/* One child per call: an alarm ends one that hangs, which then counts for that call alone. */
static void check_children(void)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            alarm(2);
            err = fresh_error();
            int good = calls[i].call() == DPATTN_FORKED && err.code == DPATTN_FORKED &&
                       strstr(err.message, "fork()") != NULL;
            _exit(good ? 0 : 1);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (status != 0)
            printf("%s: wait status %#x\n", calls[i].name, (unsigned)status);
    }
}

static void prepare(void)
{
    params = typical_params();
    budget = typical_budget();
    structure = (dpattn_structure_params){ .struct_size = sizeof structure, .adjacency = DPATTN_REPLACE, .leaves = 1 };
    structure.weight = 1;
    allowance = (dpattn_allowance){ .struct_size = sizeof allowance, .mu = 1 };
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
    /* The parent is unaffected. */
    OK(fork_release_info());
    OK(dpattn_builder_free(a_builder, &err));
    OK(dpattn_builder_free(b_builder, &err));
    OK(dpattn_release_free(a_release, &err));
    free(file.data);
    free(partial.data);
}

TEST(forked_child)
{
    /* The table has every function but dpattn_plugin_init; four of them share an entry here. */
    size_t functions = (sizeof(dpattn_plugin_v1) - offsetof(dpattn_plugin_v1, plan)) / sizeof(void *) + 1;
    CHECK(sizeof calls / sizeof *calls == functions - 3);
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
