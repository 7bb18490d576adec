#include "abi.h"

dpattn_params typical_params(void)
{
    dpattn_params params;
    dpattn_params_init(&params, sizeof params, NULL);
    params.key_dim = KEY_DIM;
    params.value_dim = VALUE_DIM;
    params.degree = 2;
    params.adjacency = DPATTN_ADD_REMOVE;
    params.key_bound = 1;
    params.value_bound = 1;
    params.query_bound = 1;
    return params;
}

dpattn_params codebook_params(uint32_t heads)
{
    static double centroids[4 * CELLS * KEY_DIM];
    uint64_t seed = 31;
    for (size_t i = 0; i < sizeof centroids / sizeof *centroids; i++)
        centroids[i] = draw(&seed);
    dpattn_params params;
    dpattn_params_init(&params, sizeof params, NULL);
    params.mechanism = DPATTN_CODEBOOK;
    params.adjacency = DPATTN_ADD_REMOVE;
    params.heads = heads; /* at most 4 */
    params.key_dim = KEY_DIM;
    params.value_dim = VALUE_DIM;
    params.key_bound = 2;
    params.value_bound = 1.5;
    params.codebook = centroids;
    params.cells = CELLS;
    return params;
}

dpattn_budget typical_budget(void)
{
    dpattn_budget budget = { sizeof budget, 0, 1.0, 1e-6 };
    return budget;
}

dpattn_budget vast_budget(void)
{
    dpattn_budget budget = { sizeof budget, 0, 1e6, 1e-6 };
    return budget;
}

size_t dtype_size(int32_t dtype)
{
    return dtype == DPATTN_F64 ? 8 : dtype == DPATTN_F32 ? 4 : 2;
}

dpattn_tensor matrix(const void *data, int32_t dtype, int64_t rows, int64_t columns)
{
    int64_t size = (int64_t)dtype_size(dtype);
    dpattn_tensor t = { (void *)data, dtype, 2, { rows, columns, 0 }, { columns * size, size, 0 } };
    return t;
}

dpattn_tensor cube(const void *data, int32_t dtype, int64_t heads, int64_t rows, int64_t columns)
{
    int64_t size = (int64_t)dtype_size(dtype);
    dpattn_tensor t = {
        (void *)data, dtype, 3, { heads, rows, columns }, { rows * columns * size, columns * size, size }
    };
    return t;
}

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

void put_element(void *at, int32_t dtype, double x)
{
    float narrow = (float)x;
    uint32_t bits = float_bits(narrow);
    uint16_t half;
    switch (dtype) {
    case DPATTN_F32:
        memcpy(at, &narrow, sizeof narrow);
        return;
    case DPATTN_F64:
        memcpy(at, &x, sizeof x);
        return;
    case DPATTN_BF16:
        half = (uint16_t)(bits >> 16);
        break;
    default: /* binary16: exponent bias 15 instead of 127, 10 fraction bits instead of 23 */
        half = (uint16_t)(bits >> 16 & 0x8000);
        if (narrow != 0)
            half |= (uint16_t)((((bits >> 23 & 0xFF) - 112) << 10) | (bits >> 13 & 0x3FF));
    }
    memcpy(at, &half, sizeof half);
}

double get_element(const void *at, int32_t dtype)
{
    float narrow;
    double wide;
    uint16_t half;
    uint32_t bits;
    switch (dtype) {
    case DPATTN_F32:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    case DPATTN_F64:
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&half, at, sizeof half);
    if (dtype == DPATTN_BF16) {
        bits = (uint32_t)half << 16;
        memcpy(&narrow, &bits, sizeof narrow);
        return narrow;
    }
    int exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    if (exponent == 0x1F)
        wide = fraction ? (double)NAN : (double)INFINITY;
    else
        wide = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half & 0x8000 ? -wide : wide;
}

double *draw_many(uint64_t seed, size_t count)
{
    double *numbers = malloc((count + 1) * sizeof *numbers);
    for (size_t i = 0; i < count; i++)
        numbers[i] = draw(&seed);
    return numbers;
}

dpattn_builder builder_with_rows(const dpattn_params *params, int64_t rows)
{
    int64_t heads = params->heads ? params->heads : 1;
    double *keys = draw_many(1, (size_t)(heads * rows * params->key_dim));
    double *values = draw_many(2, (size_t)(heads * rows * params->value_dim));
    uint64_t *owners = malloc((size_t)(rows + 1) * sizeof *owners);
    for (int64_t i = 0; i < rows; i++)
        owners[i] = (uint64_t)i;
    dpattn_tensor k = cube(keys, DPATTN_F64, heads, rows, params->key_dim);
    dpattn_tensor v = cube(values, DPATTN_F64, heads, rows, params->value_dim);
    dpattn_builder builder = 0;
    OK(dpattn_builder_create(params, &builder, &err));
    OK(dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k, &v, params->owner_rows ? owners : NULL, NULL, &err));
    free(keys);
    free(values);
    free(owners);
    return builder;
}

dpattn_release release_of(const dpattn_params *params, int64_t rows, dpattn_budget budget)
{
    dpattn_builder builder = builder_with_rows(params, rows);
    dpattn_release release = 0;
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    OK(dpattn_builder_free(builder, &err));
    return release;
}

bytes answer_of(int32_t (*function)(uint64_t, void *, size_t, size_t *, dpattn_error *), uint64_t handle)
{
    bytes b = { NULL, 0 };
    FAILS(DPATTN_BUFFER_TOO_SMALL, "capacity", function(handle, NULL, 0, &b.size, &err));
    b.data = malloc(b.size + 1);
    OK(function(handle, b.data, b.size, &b.size, &err));
    return b;
}

bytes export_of(dpattn_builder builder)
{
    return answer_of(dpattn_builder_export_secret, builder);
}

bytes save_of(dpattn_release release)
{
    return answer_of(dpattn_release_save, release);
}

char *text_of(int32_t (*function)(uint64_t, char *, size_t, size_t *, dpattn_error *), uint64_t handle)
{
    size_t needed = 0;
    FAILS(DPATTN_BUFFER_TOO_SMALL, "capacity", function(handle, NULL, 0, &needed, &err));
    char *text = malloc(needed + 1);
    OK(function(handle, text, needed, &needed, &err));
    CHECK(strlen(text) + 1 == needed);
    return text;
}

dpattn_info info_of(dpattn_release release)
{
    dpattn_info info = { .struct_size = sizeof info };
    OK(dpattn_release_info(release, &info, &err));
    return info;
}

dpattn_diagnostics diagnostics_of(dpattn_builder builder)
{
    dpattn_diagnostics diagnostics = { .struct_size = sizeof diagnostics };
    OK(dpattn_builder_diagnostics(builder, &diagnostics, &err));
    return diagnostics;
}

int same_bytes(bytes a, bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* What a partial holds after its origins and before its checksum. */
static bytes rows_in(bytes partial)
{
    enum { START = 20, CHECKSUM = 32 };
    uint64_t origins = 0;
    for (int i = 7; i >= 0; i--)
        origins = origins << 8 | partial.data[START + i];
    size_t before = START + 8 + 16 * (size_t)origins;
    return (bytes){ partial.data + before, partial.size - before - CHECKSUM };
}

int same_rows(bytes a, bytes b)
{
    return memcmp(a.data, b.data, 20) == 0 && same_bytes(rows_in(a), rows_in(b));
}
