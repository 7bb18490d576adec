/* Params and budgets that the functions which take them must refuse, with the field's name. */
#include "abi.h"

/* Both dpattn_plan and dpattn_builder_create refuse params with this status, name `text` and leave
 * their outputs alone. */
static void refused(int32_t status, const char *text, dpattn_params params)
{
    dpattn_budget budget = typical_budget();
    dpattn_plan_result result;
    dpattn_builder builder;
    dirty(&result, sizeof result);
    result.struct_size = sizeof result;
    dirty(&builder, sizeof builder);
    FAILS(status, text, dpattn_builder_create(&params, &builder, &err));
    FAILS(status, text, dpattn_plan(&params, 100, &budget, 0, &result, &err));
    CHECK(untouched(&builder, sizeof builder));
    CHECK(untouched((char *)&result + 4, sizeof result - 4));
}

#define WITH(field, value, status)          \
    do {                                    \
        dpattn_params p = typical_params(); \
        p.field = value;                    \
        refused(status, #field, p);         \
    } while (0)

TEST(params_integers)
{
    WITH(heads, 65537, DPATTN_INVALID_ARGUMENT);
    WITH(heads, UINT32_MAX, DPATTN_INVALID_ARGUMENT);
    WITH(key_dim, 0, DPATTN_INVALID_ARGUMENT);
    WITH(key_dim, 65537, DPATTN_INVALID_ARGUMENT);
    WITH(key_dim, UINT32_MAX, DPATTN_INVALID_ARGUMENT);
    WITH(value_dim, 0, DPATTN_INVALID_ARGUMENT);
    WITH(value_dim, 65537, DPATTN_INVALID_ARGUMENT);
    WITH(degree, 9, DPATTN_INVALID_ARGUMENT);
    WITH(degree, UINT32_MAX, DPATTN_INVALID_ARGUMENT);
    WITH(owner_rows, 1048577, DPATTN_INVALID_ARGUMENT);
    WITH(mechanism, 4, DPATTN_UNSUPPORTED);
    WITH(mechanism, -1, DPATTN_UNSUPPORTED);
    WITH(polynomial, 3, DPATTN_INVALID_ARGUMENT);
    WITH(polynomial, -1, DPATTN_INVALID_ARGUMENT);
    WITH(adjacency, 0, DPATTN_INVALID_ARGUMENT);
    WITH(adjacency, 3, DPATTN_INVALID_ARGUMENT);
    WITH(adjacency, -1, DPATTN_INVALID_ARGUMENT);
    WITH(rotation, 3, DPATTN_INVALID_ARGUMENT);
    WITH(rotation, -1, DPATTN_INVALID_ARGUMENT);
}

TEST(params_reals)
{
    static const double never[] = { 0, -1, (double)NAN, (double)INFINITY, -(double)INFINITY, 5e-324, 1e308 };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        WITH(key_bound, never[i], DPATTN_INVALID_ARGUMENT);
        WITH(value_bound, never[i], DPATTN_INVALID_ARGUMENT);
        WITH(query_bound, never[i], DPATTN_INVALID_ARGUMENT);
        if (never[i] != 0) { /* 0 is their default */
            WITH(scale, never[i], DPATTN_INVALID_ARGUMENT);
            WITH(lambda, never[i], DPATTN_INVALID_ARGUMENT);
            WITH(owner_bound, never[i], DPATTN_INVALID_ARGUMENT);
        }
    }
    WITH(lambda, 1.0 / 65, DPATTN_INVALID_ARGUMENT);
    WITH(lambda, 16.1, DPATTN_INVALID_ARGUMENT);
    WITH(owner_bound, 1, DPATTN_INVALID_ARGUMENT); /* above owner_rows, which is 0 */
    WITH(scale, 64.1, DPATTN_INVALID_ARGUMENT); /* b = scale * 1 * 1 > 64 */
}

TEST(params_arrays)
{
    double center[2 * KEY_DIM] = { 0 }, weights[2] = { 1, 1 };
    dpattn_params params = typical_params();
    params.heads = 2;
    params.center = center;
    params.head_weights = weights;
    dpattn_builder builder;
    OK(dpattn_builder_create(&params, &builder, &err));
    OK(dpattn_builder_free(builder, &err));
    center[2 * KEY_DIM - 1] = (double)NAN;
    refused(DPATTN_INVALID_ARGUMENT, "center", params);
    center[2 * KEY_DIM - 1] = (double)INFINITY;
    refused(DPATTN_INVALID_ARGUMENT, "center", params);
    center[2 * KEY_DIM - 1] = 0;
    static const double never[] = { 0, -1, (double)NAN, (double)INFINITY };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        weights[1] = never[i];
        refused(DPATTN_INVALID_ARGUMENT, "head_weights", params);
    }
}

/* The library keeps no pointer into the caller's memory. */
TEST(params_are_copied)
{
    double center[KEY_DIM] = { 0.5, -0.25, 0, 0.125 }, weight = 1;
    dpattn_params params = typical_params();
    params.center = center;
    params.head_weights = &weight;
    dpattn_builder kept = builder_with_rows(&params, 10), builder = 0;
    OK(dpattn_builder_create(&params, &builder, &err));
    for (int i = 0; i < KEY_DIM; i++)
        center[i] = 7;
    weight = 9;
    double *keys = draw_many(1, 10 * KEY_DIM), *values = draw_many(2, 10 * VALUE_DIM);
    dpattn_tensor k = matrix(keys, DPATTN_F64, 10, KEY_DIM), v = matrix(values, DPATTN_F64, 10, VALUE_DIM);
    OK(dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err));
    bytes a = export_of(kept), b = export_of(builder);
    CHECK(same_rows(a, b));
    free(a.data);
    free(b.data);
    free(keys);
    free(values);
    OK(dpattn_builder_free(kept, &err));
    OK(dpattn_builder_free(builder, &err));
}

/* A state that cannot fit is refused before it is allocated, with the bytes it would need. */
TEST(params_too_large)
{
    dpattn_params params = typical_params();
    dpattn_builder builder;
    dirty(&builder, sizeof builder);
    params.key_dim = 4096;
    params.value_dim = 4096;
    params.degree = 3;
    params.scale = 1;
    FAILS(DPATTN_OUT_OF_MEMORY, "bytes", dpattn_builder_create(&params, &builder, &err));
    params.key_dim = params.value_dim = params.heads = 65536;
    params.degree = 8;
    FAILS(DPATTN_OUT_OF_MEMORY, "", dpattn_builder_create(&params, &builder, &err));
    CHECK(untouched(&builder, sizeof builder));
}

TEST(budgets)
{
    dpattn_params params = typical_params();
    dpattn_builder builder = builder_with_rows(&params, 10);
    bytes before = export_of(builder);
    dpattn_plan_result result;
    dpattn_release release;
    dirty(&result, sizeof result);
    result.struct_size = sizeof result;
    dirty(&release, sizeof release);
    static const struct {
        double epsilon, delta;
        const char *text;
    } never[] = {
        { 0, 1e-6, "epsilon" },
        { -1, 1e-6, "epsilon" },
        { (double)NAN, 1e-6, "epsilon" },
        { (double)INFINITY, 1e-6, "epsilon" },
        { 1, 0, "delta" },
        { 1, 1, "delta" },
        { 1, -1e-6, "delta" },
        { 1, (double)NAN, "delta" },
        { 1, (double)INFINITY, "delta" },
        { 1, 2, "delta" },
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        dpattn_budget budget = { sizeof budget, 0, never[i].epsilon, never[i].delta };
        FAILS(DPATTN_INVALID_ARGUMENT, never[i].text, dpattn_plan(&params, 100, &budget, 0, &result, &err));
        FAILS(DPATTN_INVALID_ARGUMENT, never[i].text, dpattn_builder_release(builder, &budget, NULL, &release, &err));
    }
    CHECK(untouched((char *)&result + 4, sizeof result - 4));
    CHECK(untouched(&release, sizeof release));
    bytes after = export_of(builder);
    CHECK(same_bytes(before, after));
    free(before.data);
    free(after.data);
    OK(dpattn_builder_free(builder, &err));
}

TEST(plan)
{
    dpattn_params params = typical_params();
    dpattn_budget budget = typical_budget();
    dpattn_plan_result result = { .struct_size = sizeof result };
    OK(dpattn_plan(&params, 1000, &budget, 0, &result, &err));
    CHECK(result.degree == 2 && result.features == 15); /* C(4 + 2, 2) */
    CHECK(result.state_bytes == 15 * (VALUE_DIM + 1) * 8);
    CHECK(result.release_bytes >= result.state_bytes);
    CHECK(fabs(result.logit_bound - 0.5) < 1e-15); /* scale is 1 / sqrt(4) */
    CHECK(result.polynomial_error > 0 && result.polynomial_error < 0.05);
    CHECK(result.mu > 0 && result.mu < 1);
    CHECK(result.noise_stddev > 0 && result.noise_stddev_worst > result.noise_stddev);
    CHECK(result.rows_for_error == 0);

    /* The rows that it asks for reach the wanted error, and one fewer does not. */
    double target = result.noise_stddev / 3;
    OK(dpattn_plan(&params, 1000, &budget, target, &result, &err));
    uint64_t rows = result.rows_for_error;
    OK(dpattn_plan(&params, rows, &budget, 0, &result, &err));
    CHECK(result.noise_stddev <= target);
    OK(dpattn_plan(&params, rows - 1, &budget, 0, &result, &err));
    CHECK(result.noise_stddev > target);

    params.degree = 0;
    OK(dpattn_plan(&params, 1000, &budget, 0, &result, &err));
    CHECK(result.degree >= 1 && result.degree <= 4);

    FAILS(DPATTN_INVALID_ARGUMENT, "rows", dpattn_plan(&params, 0, &budget, 0, &result, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "target_error", dpattn_plan(&params, 100, &budget, -1, &result, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "target_error", dpattn_plan(&params, 100, &budget, (double)NAN, &result, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "target_error", dpattn_plan(&params, 100, &budget, (double)INFINITY, &result, &err));
}
