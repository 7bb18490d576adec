/* The node of dpattn-ggml.h in graphs of a real ggml: layouts, types, grouped heads, batches and
 * threads, against direct calls one query at a time. Nothing is linked with the library: its
 * functions are looked up at run time, and what the node calls is watched on the way.
 *     graph LIBRARY */
#define _XOPEN_SOURCE 700
#define DPATTN_NO_PROTOTYPES
#include "dpattn-ggml.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEADS = 2, KEY_DIM = 8, VALUE_DIM = 5, ROWS = 300, MOST_THREADS = 5 };

static int passed, failed;

#define CHECK(condition)                                                                                               \
    ((condition) ? (void)passed++                                                                                      \
                 : (void)(failed++, printf("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition)))

static dpattn_plugin_v1 library;
static dpattn_release release;

/* ---- What the node calls ---- */

static pthread_mutex_t watch = PTHREAD_MUTEX_INITIALIZER;
static struct {
    const struct ggml_tensor *q, *out;
    pthread_t threads[MOST_THREADS];
    int distinct;
    int64_t answered; /* queries of heads */
    int copied;       /* calls with other memory than the tensors' */
} seen;

static int within(const void *at, const struct ggml_tensor *tensor)
{
    const char *start = (const char *)tensor->data;
    return (const char *)at >= start && (const char *)at < start + ggml_nbytes(tensor);
}

static int32_t watched_attend(dpattn_release r, int32_t head, const dpattn_tensor *queries, const dpattn_tensor *out,
                              const dpattn_tensor *lse, const dpattn_tensor *stddev, uint64_t *clipped,
                              dpattn_error *err)
{
    int known = 0;
    pthread_mutex_lock(&watch);
    for (int i = 0; i < seen.distinct; i++)
        known |= pthread_equal(seen.threads[i], pthread_self());
    if (!known && seen.distinct < MOST_THREADS)
        seen.threads[seen.distinct++] = pthread_self();
    seen.answered += queries->shape[0];
    seen.copied += !within(queries->data, seen.q) || !within(out->data, seen.out);
    pthread_mutex_unlock(&watch);
    return library.release_attend_head(r, head, queries, out, lse, stddev, clipped, err);
}

/* ---- Fixtures ---- */

static int load(const char *path)
{
    dpattn_plugin_init_function init;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle == NULL ? NULL : dlsym(handle, "dpattn_plugin_init");
    if (symbol == NULL)
        return printf("%s\n", dlerror()), 0;
    memcpy(&init, &symbol, sizeof init);
    return init(DPATTN_PLUGIN_ABI, &library, sizeof library, NULL) == DPATTN_OK;
}

static float draw(void)
{
    return 2 * (float)rand() / (float)RAND_MAX - 1;
}

enum { CELLS = 20 };

/* A release whose two heads answer differently. */
static int32_t make_release(int32_t mechanism)
{
    static double codebook[HEADS * CELLS * KEY_DIM];
    static float keys[HEADS * ROWS * KEY_DIM], values[HEADS * ROWS * VALUE_DIM];
    const int64_t f = sizeof(float);
    dpattn_tensor k = { keys, DPATTN_F32, 3, { HEADS, ROWS, KEY_DIM }, { ROWS * KEY_DIM * f, KEY_DIM * f, f } };
    dpattn_tensor v = { values, DPATTN_F32, 3, { HEADS, ROWS, VALUE_DIM }, { ROWS * VALUE_DIM * f, VALUE_DIM * f, f } };
    dpattn_budget budget = { sizeof budget, 0, 1e3, 1e-6 };
    dpattn_builder builder = 0;
    dpattn_params params;
    dpattn_error err = DPATTN_ERROR_INIT;
    for (int i = 0; i < HEADS * ROWS * KEY_DIM; i++)
        keys[i] = draw() / 3;
    for (int i = 0; i < HEADS * ROWS * VALUE_DIM; i++)
        values[i] = draw() / 3 + (i < ROWS * VALUE_DIM ? 0.1F : -0.1F);
    for (int i = 0; i < HEADS * CELLS * KEY_DIM; i++)
        codebook[i] = (double)draw() / 3;
    library.params_init(&params, sizeof params, NULL);
    params.mechanism = mechanism, params.adjacency = DPATTN_REPLACE;
    params.heads = HEADS, params.key_dim = KEY_DIM, params.value_dim = VALUE_DIM, params.scale = 1;
    params.key_bound = params.value_bound = 1;
    if (mechanism == DPATTN_CODEBOOK)
        params.codebook = codebook, params.cells = CELLS, params.scale = 20;
    else
        params.query_bound = 2;
    if (library.builder_create(&params, &builder, &err) ||
        library.builder_add(builder, DPATTN_ALL_HEADS, &k, &v, NULL, NULL, &err) ||
        library.builder_release(builder, &budget, NULL, &release, &err))
        printf("%s\n", err.message);
    return err.code;
}

/* What the release's head answers to one query, asked directly. */
static void ask(int head, const float *query, double *answer)
{
    float queries[HEADS * KEY_DIM] = { 0 };
    double answers[HEADS * VALUE_DIM];
    const int64_t f = sizeof(float), d = sizeof(double);
    dpattn_tensor q = { queries, DPATTN_F32, 3, { HEADS, 1, KEY_DIM }, { KEY_DIM * f, KEY_DIM * f, f } };
    dpattn_tensor o = { answers, DPATTN_F64, 3, { HEADS, 1, VALUE_DIM }, { VALUE_DIM * d, VALUE_DIM * d, d } };
    memcpy(queries + head * KEY_DIM, query, KEY_DIM * sizeof(float));
    CHECK(library.release_attend(release, &q, &o, NULL, NULL, NULL, NULL) == DPATTN_OK);
    memcpy(answer, answers + head * VALUE_DIM, VALUE_DIM * sizeof(double));
}

static float element(const struct ggml_tensor *tensor, int64_t i0, int64_t i1, int64_t i2, int64_t i3)
{
    return ggml_get_f32_nd(tensor, (int)i0, (int)i1, (int)i2, (int)i3);
}

/* The largest distance between the node's answers and direct ones; NaN if one is missing. */
static double distance(const struct ggml_tensor *q, const struct ggml_tensor *out)
{
    double most = 0;
    for (int64_t batch = 0; batch < q->ne[3]; batch++)
        for (int64_t head = 0; head < q->ne[2]; head++)
            for (int64_t i = 0; i < q->ne[1]; i++) {
                float query[KEY_DIM];
                double want[VALUE_DIM];
                for (int c = 0; c < KEY_DIM; c++)
                    query[c] = element(q, c, i, head, batch);
                ask((int)(head / (q->ne[2] / HEADS)), query, want);
                for (int c = 0; c < VALUE_DIM; c++) {
                    double apart = fabs(want[c] - (double)element(out, c, head, i, batch));
                    if (!(apart <= most))
                        most = apart;
                }
            }
    return most;
}

/* ---- Tests ---- */

/* How queries lie in memory; each is [KEY_DIM, queries, heads, batch] in the end. */
enum layout { PLAIN, PROJECTED, PADDED, LAYOUTS };

static struct ggml_tensor *queries_in(struct ggml_context *ctx, enum layout layout, enum ggml_type type,
                                      int64_t queries, int64_t heads, int64_t batch)
{
    int64_t ne[3] = { KEY_DIM, queries, heads };
    if (layout == PROJECTED)
        ne[1] = heads, ne[2] = queries;
    if (layout == PADDED)
        ne[0] += 3, ne[1] += 2, ne[2] += 1;
    struct ggml_tensor *whole = ggml_new_tensor_4d(ctx, GGML_TYPE_F32, ne[0], ne[1], ne[2], batch);
    for (int64_t i = 0; i < ggml_nelements(whole); i++)
        ((float *)whole->data)[i] = 0.6F * draw();
    if (type != GGML_TYPE_F32)
        whole = ggml_cast(ctx, whole, type);
    if (layout == PROJECTED)
        return ggml_permute(ctx, whole, 0, 2, 1, 3);
    if (layout == PADDED)
        return ggml_view_4d(ctx, whole, KEY_DIM, queries, heads, batch, whole->nb[1], whole->nb[2], whole->nb[3],
                            whole->nb[0] * 2 + whole->nb[1]);
    return whole;
}

static void test_graph(const dpattn_ggml *context, enum layout layout, enum ggml_type type, int64_t queries,
                       int64_t groups, int64_t batch, int threads)
{
    struct ggml_init_params memory = { 4 << 20, NULL, false };
    struct ggml_context *ctx = ggml_init(memory);
    struct ggml_tensor *q = queries_in(ctx, layout, type, queries, groups * HEADS, batch);
    struct ggml_tensor *out = dpattn_ggml_attend(ctx, context, q);
    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, out);
    CHECK(out->ne[0] == VALUE_DIM && out->ne[1] == groups * HEADS && out->ne[2] == queries && out->ne[3] == batch &&
          ggml_is_contiguous(out));
    memset(out->data, 0xFF, ggml_nbytes(out)); /* NaN */

    memset(&seen, 0, sizeof seen);
    seen.q = q, seen.out = out;
    CHECK(ggml_graph_compute_with_ctx(ctx, graph, threads) == GGML_STATUS_SUCCESS);
    int64_t all = queries * groups * HEADS * batch;
    CHECK(seen.answered == all && seen.copied == 0);
    CHECK(seen.distinct == (all < threads ? all : threads));
    double apart = distance(q, out);
    CHECK(apart <= 1e-6);
    if (!(apart <= 1e-6))
        printf("layout %d, %s, %d queries, %d groups, batch %d, %d threads: %g apart\n", (int)layout,
               ggml_type_name(type), (int)queries, (int)groups, (int)batch, threads, apart);
    ggml_free(ctx);
}

/* As hosts do it: a backend, and an allocator that uses memory again. The node lies between two
 * others. */
static void test_backend(const dpattn_ggml *context)
{
    enum { QUERIES = 9, EMBD = HEADS * KEY_DIM };
    struct ggml_init_params memory = { 1 << 20, NULL, true };
    struct ggml_context *ctx = ggml_init(memory);
    ggml_backend_t backend = ggml_backend_cpu_init();
    ggml_backend_cpu_set_n_threads(backend, 3);
    struct ggml_tensor *tokens = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, EMBD, QUERIES);
    ggml_set_input(tokens);
    struct ggml_tensor *q = ggml_reshape_3d(ctx, ggml_scale(ctx, tokens, 0.5F), KEY_DIM, HEADS, QUERIES);
    struct ggml_tensor *out = dpattn_ggml_attend(ctx, context, ggml_permute(ctx, q, 0, 2, 1, 3));
    struct ggml_tensor *last = ggml_scale(ctx, ggml_reshape_2d(ctx, out, HEADS * VALUE_DIM, QUERIES), -2.0F);
    ggml_set_output(last);
    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, last);
    ggml_gallocr_t allocator = ggml_gallocr_new(ggml_backend_cpu_buffer_type());
    CHECK(ggml_gallocr_alloc_graph(allocator, graph));

    float data[QUERIES * EMBD], got[QUERIES * HEADS * VALUE_DIM];
    for (int i = 0; i < QUERIES * EMBD; i++)
        data[i] = draw();
    ggml_backend_tensor_set(tokens, data, 0, sizeof data);
    memset(&seen, 0, sizeof seen);
    seen.q = q, seen.out = out;
    CHECK(ggml_backend_graph_compute(backend, graph) == GGML_STATUS_SUCCESS);
    ggml_backend_tensor_get(last, got, 0, sizeof got);
    for (int i = 0; i < QUERIES; i++)
        for (int h = 0; h < HEADS; h++) {
            float query[KEY_DIM];
            double want[VALUE_DIM];
            for (int c = 0; c < KEY_DIM; c++)
                query[c] = data[i * EMBD + h * KEY_DIM + c] / 2;
            ask(h, query, want);
            for (int c = 0; c < VALUE_DIM; c++)
                CHECK(fabs((double)got[(i * HEADS + h) * VALUE_DIM + c] + 2 * want[c]) <= 2e-6);
        }
    ggml_gallocr_free(allocator);
    ggml_backend_free(backend);
    ggml_free(ctx);
}

/* Whether building (and computing) a graph of such queries ends the process, as a failed
 * GGML_ASSERT does. */
static int ends(const dpattn_ggml *context, enum ggml_type type, int64_t key_dim, int64_t heads)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        struct ggml_init_params memory = { 1 << 20, NULL, false };
        struct ggml_context *ctx = ggml_init(memory);
        struct ggml_cgraph *graph = ggml_new_graph(ctx);
        struct ggml_tensor *q = ggml_new_tensor_3d(ctx, type, key_dim, 4, heads);
        memset(q->data, 0, ggml_nbytes(q));
        ggml_build_forward_expand(graph, dpattn_ggml_attend(ctx, context, q));
        ggml_graph_compute_with_ctx(ctx, graph, 1);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* Stands in for the library, so that a child made by fork() has one that answers. */
static int32_t always_ok(dpattn_release r, int32_t head, const dpattn_tensor *queries, const dpattn_tensor *out,
                       const dpattn_tensor *lse, const dpattn_tensor *stddev, uint64_t *clipped, dpattn_error *err)
{
    (void)r, (void)head, (void)queries, (void)out, (void)lse, (void)stddev, (void)clipped, (void)err;
    return DPATTN_OK;
}

static void test_misfits(dpattn_ggml context)
{
    dpattn_plugin_v1 functions = library;
    functions.release_attend_head = always_ok;
    setenv("GGML_NO_BACKTRACE", "1", 1);
    context.functions = &functions;
    CHECK(!ends(&context, GGML_TYPE_F32, KEY_DIM, HEADS));
    CHECK(ends(&context, GGML_TYPE_F32, KEY_DIM + 1, HEADS));
    CHECK(ends(&context, GGML_TYPE_F32, KEY_DIM, HEADS + 1));
    CHECK(ends(&context, GGML_TYPE_I32, KEY_DIM, HEADS));
    context.functions = &library; /* which refuses a child made by fork() */
    CHECK(ends(&context, GGML_TYPE_F32, KEY_DIM, HEADS));
}

static void test_handles(const dpattn_plugin_v1 *functions)
{
    dpattn_ggml context;
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_release copy = 0;
    dpattn_plugin_v1 older = *functions;
    older.release_attend_head = NULL;
    CHECK(dpattn_ggml_init(&context, &older, release, &err) == DPATTN_UNSUPPORTED &&
          strstr(err.message, "newer") != NULL);
    CHECK(dpattn_ggml_init(&context, functions, 0, &err) == DPATTN_INVALID_HANDLE && err.message[0] != '\0');
    CHECK(library.release_retain(release, &copy, NULL) == DPATTN_OK);
    CHECK(dpattn_ggml_init(&context, functions, copy, &err) == DPATTN_OK);
    CHECK(library.release_free(copy, NULL) == DPATTN_OK); /* the node has a handle of its own */
    test_graph(&context, PLAIN, GGML_TYPE_F32, 3, 1, 1, 2);
    CHECK(dpattn_ggml_free(&context) == DPATTN_OK && dpattn_ggml_free(&context) == DPATTN_INVALID_HANDLE);
}

/* A release of a mechanism in graphs of every kind, or in few. */
static void test_mechanism(int32_t mechanism, int every)
{
    static const enum ggml_type types[] = { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16 };
    static const int64_t queries[] = { 7, 1, 40 };
    static const int threads[] = { 2, 1, MOST_THREADS };
    const int last = every ? 3 : 1;
    dpattn_ggml context;
    dpattn_plugin_v1 functions = library;
    functions.release_attend_head = watched_attend;
    CHECK(make_release(mechanism) == DPATTN_OK);
    CHECK(dpattn_ggml_init(&context, &functions, release, NULL) == DPATTN_OK);
    CHECK(context.info.mechanism == mechanism);
    if (every)
        test_misfits(context); /* while this process has no threads of ggml's */
    CHECK(library.set_threads(1, NULL) == DPATTN_OK);

    for (int layout = 0; layout < LAYOUTS; layout++)
        for (int type = 0; type < 3; type++)
            for (int i = 0; i < last; i++)
                for (int t = 0; t < last; t++) {
                    test_graph(&context, (enum layout)layout, types[type], queries[i], 1, 1, threads[t]);
                    test_graph(&context, (enum layout)layout, types[type], queries[i], 3, 2, threads[t]);
                }
    test_backend(&context);
    test_handles(&functions);
    dpattn_ggml_free(&context);
    library.release_free(release, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 2 || !load(argv[1]))
        return 1;
    test_mechanism(DPATTN_GAUSSIAN, 1);
    test_mechanism(DPATTN_CODEBOOK, 0);
    printf("ggml %s: %d passed, %d failed\n", ggml_version(), passed, failed);
    return failed != 0;
}
