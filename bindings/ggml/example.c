/* A layer of a model on ggml whose attention goes to a private memory: project the tokens to
 * queries, attend, project back. The answers are compared with those of a direct call. `make ggml`
 * builds and runs this against a ggml from a package registry. By hand, with one's own:
 *     cc -std=c11 -Iinclude -Ibindings/ggml -I$GGML/include bindings/ggml/example.c
 *         -Lbuild -ldpattn -L$GGML/lib -lggml-cpu -lggml-base -lm */
#include "dpattn-ggml.h"
#include "ggml-cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EMBD = 48, HEADS = 2, KEY_DIM = 16, VALUE_DIM = 8, TOKENS = 33, ROWS = 20000, THREADS = 2 };

static float draw(void)
{
    return 2 * (float)rand() / (float)RAND_MAX - 1;
}

static void fill(struct ggml_tensor *tensor, float scale)
{
    for (int64_t i = 0; i < ggml_nelements(tensor); i++)
        ((float *)tensor->data)[i] = scale * draw();
}

static void check(int32_t status, const dpattn_error *err)
{
    if (status != DPATTN_OK) {
        fprintf(stderr, "ggml example: %s\n", err->message);
        exit(1);
    }
}

/* Memory [rows][heads][dim] as the library sees it, [heads, rows, dim]: a matter of strides. */
static dpattn_tensor cube(float *data, int64_t rows, int64_t heads, int64_t dim)
{
    const int64_t size = sizeof(float);
    dpattn_tensor tensor = { data, DPATTN_F32, 3, { heads, rows, dim }, { dim * size, heads * dim * size, size } };
    return tensor;
}

/* 20,000 private rows, released once. */
static dpattn_release private_memory(void)
{
    static float keys[HEADS * ROWS * KEY_DIM], values[HEADS * ROWS * VALUE_DIM];
    dpattn_tensor k = cube(keys, ROWS, HEADS, KEY_DIM), v = cube(values, ROWS, HEADS, VALUE_DIM);
    dpattn_budget budget = { sizeof budget, 0, 1.0, 1e-6 };
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_builder builder = 0;
    dpattn_release release = 0;
    dpattn_params params;

    for (int i = 0; i < HEADS * ROWS * KEY_DIM; i++)
        keys[i] = draw() / 4; /* norm at most 1 */
    for (int i = 0; i < HEADS * ROWS * VALUE_DIM; i++)
        values[i] = keys[i / VALUE_DIM * KEY_DIM + i % VALUE_DIM]; /* a value is the first half of its key */
    check(dpattn_params_init(&params, sizeof params, &err), &err);
    params.heads = HEADS, params.key_dim = KEY_DIM, params.value_dim = VALUE_DIM, params.adjacency = DPATTN_ADD_REMOVE;
    params.key_bound = params.value_bound = params.query_bound = 1, params.scale = 1;
    check(dpattn_builder_create(&params, &builder, &err), &err);
    check(dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k, &v, NULL, NULL, &err), &err);
    check(dpattn_builder_release(builder, &budget, NULL, &release, &err), &err);
    dpattn_builder_free(builder, NULL);
    return release;
}

/* How far `out`, [VALUE_DIM, HEADS, TOKENS], is from what a direct call answers to the same
 * queries, [KEY_DIM, HEADS, TOKENS]. */
static float difference(dpattn_release release, const struct ggml_tensor *queries, const struct ggml_tensor *out)
{
    static float direct[TOKENS * HEADS * VALUE_DIM];
    dpattn_tensor q = cube((float *)queries->data, TOKENS, HEADS, KEY_DIM), o = cube(direct, TOKENS, HEADS, VALUE_DIM);
    dpattn_error err = DPATTN_ERROR_INIT;
    float most = 0;
    check(dpattn_release_attend(release, &q, &o, NULL, NULL, NULL, &err), &err);
    for (int i = 0; i < TOKENS * HEADS * VALUE_DIM; i++)
        most = fmaxf(most, fabsf(direct[i] - ((const float *)out->data)[i]));
    return most;
}

int main(void)
{
    dpattn_plugin_v1 functions;
    dpattn_ggml context;
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_release release = private_memory();
    check(dpattn_plugin_init(DPATTN_PLUGIN_ABI, &functions, sizeof functions, &err), &err);
    check(dpattn_ggml_init(&context, &functions, release, &err), &err);
    check(functions.set_threads(1, &err), &err); /* the graph's threads do the work */

    struct ggml_init_params memory = { 16 << 20, NULL, false };
    struct ggml_context *ctx = ggml_init(memory);
    struct ggml_tensor *tokens = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, EMBD, TOKENS);
    struct ggml_tensor *w_q = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, EMBD, KEY_DIM * HEADS);
    struct ggml_tensor *w_o = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, VALUE_DIM * HEADS, EMBD);
    fill(tokens, 1), fill(w_q, 0.1F), fill(w_o, 0.3F);

    struct ggml_tensor *projected = ggml_mul_mat(ctx, w_q, tokens); /* [key_dim * heads, tokens] */
    struct ggml_tensor *q = ggml_reshape_3d(ctx, projected, KEY_DIM, HEADS, TOKENS);
    /* [value_dim, heads, tokens]. */
    struct ggml_tensor *attended = dpattn_ggml_attend(ctx, &context, ggml_permute(ctx, q, 0, 2, 1, 3));
    struct ggml_tensor *out = ggml_mul_mat(ctx, w_o, ggml_reshape_2d(ctx, attended, VALUE_DIM * HEADS, TOKENS));

    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, out);
    if (ggml_graph_compute_with_ctx(ctx, graph, THREADS) != GGML_STATUS_SUCCESS)
        return 1;

    float apart = difference(release, projected, attended);
    printf("ggml %s, dpattn %s: layer of %d tokens, first output %+.4f, %g from a direct call\n", ggml_version(),
           functions.version_string(), TOKENS, (double)((float *)out->data)[0], (double)apart);
    ggml_free(ctx);
    dpattn_ggml_free(&context);
    dpattn_release_free(release, NULL);
    return !(apart <= 1e-6F);
}
