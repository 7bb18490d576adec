/* A codebook release as keys and values of ggml_flash_attn_ext: the library is asked for them once,
 * and no graph needs it afterwards. Three ways, with the node of dpattn-ggml.h as what is right:
 *
 *   f16 keys, values, mask  as hosts keep their caches
 *   f32 keys and values     the biases still go through ggml's mask, which is f16
 *   f32, no mask            the biases are one more coordinate of keys, where queries have a 1
 *
 * Query heads are grouped, GROUP to a head of the release. `make ggml` builds and runs this; by
 * hand as example.c. */
#include "dpattn-ggml.h"
#include "ggml-cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADS = 2, GROUP = 3, KEY_DIM = 16, VALUE_DIM = 8, CELLS = 48, TOKENS = 33, ROWS = 20000, THREADS = 2 };

/* Older versions want masks of full tiles of queries. */
#ifdef GGML_KQ_MASK_PAD
enum { MASK_TOKENS = GGML_PAD(TOKENS, GGML_KQ_MASK_PAD) };
#else
enum { MASK_TOKENS = TOKENS };
#endif

static float draw(void)
{
    return 2 * (float)rand() / (float)RAND_MAX - 1;
}

static void check(int32_t status, const dpattn_error *err)
{
    if (status != DPATTN_OK) {
        fprintf(stderr, "ggml kv: %s\n", err->message);
        exit(1);
    }
}

/* 20,000 private rows near 48 public centroids a head, released once; some cells get few. */
static dpattn_release private_memory(void)
{
    static double codebook[HEADS * CELLS * KEY_DIM];
    static float keys[HEADS * ROWS * KEY_DIM], values[HEADS * ROWS * VALUE_DIM];
    const int64_t f = sizeof(float);
    dpattn_tensor k = { keys, DPATTN_F32, 3, { HEADS, ROWS, KEY_DIM }, { ROWS * KEY_DIM * f, KEY_DIM * f, f } };
    dpattn_tensor v = { values, DPATTN_F32, 3, { HEADS, ROWS, VALUE_DIM }, { ROWS * VALUE_DIM * f, VALUE_DIM * f, f } };
    dpattn_budget budget = { sizeof budget, 0, 1.0, 1e-6 };
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_builder builder = 0;
    dpattn_release release = 0;
    dpattn_params params;

    for (int i = 0; i < HEADS * CELLS * KEY_DIM; i++)
        codebook[i] = (double)draw();
    for (int row = 0; row < HEADS * ROWS; row++) {
        int cell = row / ROWS * CELLS + (int)((float)CELLS * draw() * draw() * 0.999F + CELLS) % CELLS;
        for (int i = 0; i < KEY_DIM; i++)
            keys[row * KEY_DIM + i] = (float)codebook[cell * KEY_DIM + i] + draw() / 4;
        for (int i = 0; i < VALUE_DIM; i++)
            values[row * VALUE_DIM + i] = keys[row * KEY_DIM + i] / 2;
    }
    check(dpattn_params_init(&params, sizeof params, &err), &err);
    params.mechanism = DPATTN_CODEBOOK, params.adjacency = DPATTN_ADD_REMOVE;
    params.heads = HEADS, params.key_dim = KEY_DIM, params.value_dim = VALUE_DIM;
    params.codebook = codebook, params.cells = CELLS;
    params.key_bound = 5, params.value_bound = 1, params.scale = 2;
    check(dpattn_builder_create(&params, &builder, &err), &err);
    check(dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k, &v, NULL, NULL, &err), &err);
    check(dpattn_builder_release(builder, &budget, NULL, &release, &err), &err);
    dpattn_builder_free(builder, NULL);
    return release;
}

/* ggml's [dim, cells, heads] as the library sees it, [heads, cells, dim]. */
static dpattn_tensor view(const struct ggml_tensor *tensor, int64_t dim)
{
    dpattn_tensor t = { tensor->data, dpattn_ggml_dtype(tensor->type), 3, { HEADS, CELLS, dim },
                        { (int64_t)tensor->nb[2], (int64_t)tensor->nb[1], (int64_t)tensor->nb[0] } };
    return t;
}

/* flash attention of q, [KEY_DIM, TOKENS, GROUP * HEADS], with the biases as its mask. */
static struct ggml_tensor *by_mask(struct ggml_context *ctx, dpattn_release release, float scale, enum ggml_type type,
                                   struct ggml_tensor *q)
{
    struct ggml_tensor *k = ggml_new_tensor_3d(ctx, type, KEY_DIM, CELLS, HEADS);
    struct ggml_tensor *v = ggml_new_tensor_3d(ctx, type, VALUE_DIM, CELLS, HEADS);
    struct ggml_tensor *mask = ggml_new_tensor_3d(ctx, GGML_TYPE_F16, CELLS, 1, HEADS);
    float bias[HEADS * CELLS];
    const int64_t f = sizeof(float);
    dpattn_tensor keys = view(k, KEY_DIM), values = view(v, VALUE_DIM);
    dpattn_tensor biases = { bias, DPATTN_F32, 2, { HEADS, CELLS, 0 }, { CELLS * f, f, 0 } };
    dpattn_error err = DPATTN_ERROR_INIT;
    check(dpattn_release_kv(release, &keys, &values, &biases, &err), &err);

    /* f16 is finest near 0, so that is where the biases that count go: softmax does not see what
     * all of a head have in common. */
    for (int h = 0; h < HEADS; h++) {
        float most = bias[h * CELLS];
        for (int c = 0; c < CELLS; c++)
            most = fmaxf(most, bias[h * CELLS + c]);
        for (int c = 0; c < CELLS; c++)
            bias[h * CELLS + c] -= most;
    }
    ggml_fp32_to_fp16_row(bias, (ggml_fp16_t *)mask->data, HEADS * CELLS);

    /* A row for each query, and the same for each head of a group. */
    mask = ggml_repeat_4d(ctx, mask, CELLS, MASK_TOKENS * GROUP, HEADS, 1);
    mask = ggml_reshape_3d(ctx, mask, CELLS, MASK_TOKENS, GROUP * HEADS);
    return ggml_flash_attn_ext(ctx, q, k, v, mask, scale, 0, 0);
}

/* The same with the biases as one more coordinate: scale * <[q ; 1], [k ; bias/scale]>. */
static struct ggml_tensor *by_coordinate(struct ggml_context *ctx, dpattn_release release, float scale,
                                         struct ggml_tensor *q)
{
    struct ggml_tensor *k = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, KEY_DIM + 1, CELLS, HEADS);
    struct ggml_tensor *v = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, VALUE_DIM, CELLS, HEADS);
    struct ggml_tensor *one = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, 1, TOKENS, GROUP * HEADS);
    dpattn_tensor keys = view(k, KEY_DIM), values = view(v, VALUE_DIM), biases = keys;
    dpattn_error err = DPATTN_ERROR_INIT;
    biases.data = (float *)k->data + KEY_DIM;
    biases.ndim = 2;
    check(dpattn_release_kv(release, &keys, &values, &biases, &err), &err);
    for (int c = 0; c < HEADS * CELLS; c++)
        ((float *)biases.data)[c * (KEY_DIM + 1)] /= scale;
    for (int i = 0; i < TOKENS * GROUP * HEADS; i++)
        ((float *)one->data)[i] = 1;
    return ggml_flash_attn_ext(ctx, ggml_concat(ctx, ggml_cont(ctx, q), one, 0), k, v, NULL, scale, 0, 0);
}

static double apart(const struct ggml_tensor *a, const struct ggml_tensor *b)
{
    double most = 0;
    for (int64_t i = 0; i < ggml_nelements(a); i++) {
        double distance = fabs((double)((const float *)a->data)[i] - (double)((const float *)b->data)[i]);
        most = distance <= most ? most : distance; /* NaN counts */
    }
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
    const float scale = (float)context.info.scale;

    struct ggml_init_params memory = { 16 << 20, NULL, false };
    struct ggml_context *ctx = ggml_init(memory);
    struct ggml_tensor *projected = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, KEY_DIM, GROUP * HEADS, TOKENS);
    for (int64_t i = 0; i < ggml_nelements(projected); i++)
        ((float *)projected->data)[i] = draw();
    struct ggml_tensor *q = ggml_permute(ctx, projected, 0, 2, 1, 3);

    struct ggml_tensor *right = dpattn_ggml_attend(ctx, &context, q); /* [VALUE_DIM, GROUP * HEADS, TOKENS] */
    struct ggml_tensor *half = by_mask(ctx, release, scale, GGML_TYPE_F16, q);
    struct ggml_tensor *mixed = by_mask(ctx, release, scale, GGML_TYPE_F32, q);
    struct ggml_tensor *full = by_coordinate(ctx, release, scale, q);
    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, right);
    ggml_build_forward_expand(graph, half);
    ggml_build_forward_expand(graph, mixed);
    ggml_build_forward_expand(graph, full);
    if (ggml_graph_compute_with_ctx(ctx, graph, THREADS) != GGML_STATUS_SUCCESS)
        return 1;

    double of_half = apart(half, right), of_mixed = apart(mixed, right), of_full = apart(full, right);
    printf("ggml %s: flash attention over a codebook release, from attend: %.1e in f16, %.1e in f32 with an f16 mask, "
           "%.1e in f32\n", ggml_version(), of_half, of_mixed, of_full);
    ggml_free(ctx);
    dpattn_ggml_free(&context);
    dpattn_release_free(release, NULL);
    return !(of_half <= 5e-3 && of_mixed <= 5e-4 && of_full <= 1e-5);
}
