/* NULL for each pointer that may not be NULL gives INVALID_ARGUMENT with the argument's name, and
 * outputs stay as they were. Structs (structs.c), params (params.c) and handles (handles.c) have
 * files of their own. */
#include "abi.h"

static double numbers[64];

TEST(null_create)
{
    dpattn_params params = typical_params();
    dpattn_builder builder;
    dirty(&builder, sizeof builder);
    FAILS(DPATTN_INVALID_ARGUMENT, "params", dpattn_builder_create(NULL, &builder, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "builder", dpattn_builder_create(&params, NULL, &err));
    CHECK(untouched(&builder, sizeof builder));
}

TEST(null_plan)
{
    dpattn_params params = typical_params();
    dpattn_budget budget = typical_budget();
    dpattn_plan_result result;
    dirty(&result, sizeof result);
    result.struct_size = sizeof result;
    FAILS(DPATTN_INVALID_ARGUMENT, "params", dpattn_plan(NULL, 10, &budget, 0, &result, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "budget", dpattn_plan(&params, 10, NULL, 0, &result, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "result", dpattn_plan(&params, 10, &budget, 0, NULL, &err));
    CHECK(untouched((char *)&result + 4, sizeof result - 4));
}

TEST(null_add)
{
    dpattn_params params = typical_params();
    dpattn_builder builder = builder_with_rows(&params, 3);
    bytes before = export_of(builder);
    dpattn_tensor k = matrix(numbers, DPATTN_F64, 2, KEY_DIM), v = matrix(numbers, DPATTN_F64, 2, VALUE_DIM);
    uint64_t owners[2] = { 0 };
    FAILS(DPATTN_INVALID_ARGUMENT, "keys", dpattn_builder_add(builder, 0, NULL, &v, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "values", dpattn_builder_add(builder, 0, &k, NULL, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "owners", dpattn_builder_add(builder, 0, &k, &v, owners, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "head", dpattn_builder_add(builder, 1, &k, &v, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "head", dpattn_builder_add(builder, -2, &k, &v, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "head", dpattn_builder_add(builder, INT32_MIN, &k, &v, NULL, NULL, &err));
    bytes after = export_of(builder);
    CHECK(same_bytes(before, after));
    free(before.data);
    free(after.data);
    OK(dpattn_builder_free(builder, &err));

    params.owner_rows = 2;
    OK(dpattn_builder_create(&params, &builder, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "owners", dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err));
    OK(dpattn_builder_add(builder, 0, &k, &v, owners, NULL, &err));
    OK(dpattn_builder_free(builder, &err));
}

TEST(null_release)
{
    dpattn_params params = typical_params();
    dpattn_budget budget = typical_budget();
    dpattn_builder builder = builder_with_rows(&params, 3);
    dpattn_release release;
    dirty(&release, sizeof release);
    FAILS(DPATTN_INVALID_ARGUMENT, "budget", dpattn_builder_release(builder, NULL, NULL, &release, &err));
    /* The place for the answer is checked before the budget is spent. */
    FAILS(DPATTN_INVALID_ARGUMENT, "release", dpattn_builder_release(builder, &budget, NULL, NULL, &err));
    CHECK(untouched(&release, sizeof release));
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    OK(dpattn_release_free(release, &err));
    OK(dpattn_builder_free(builder, &err));
}

TEST(null_import_and_load)
{
    dpattn_params params = typical_params();
    dpattn_builder builder = builder_with_rows(&params, 3), imported;
    dpattn_release release = release_of(&params, 3, typical_budget()), loaded, copy;
    bytes partial = export_of(builder), file = save_of(release);
    dirty(&imported, sizeof imported);
    dirty(&loaded, sizeof loaded);
    FAILS(DPATTN_INVALID_ARGUMENT, "data", dpattn_builder_import_secret(NULL, partial.size, &imported, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "data", dpattn_builder_import_secret(NULL, 0, &imported, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "builder", dpattn_builder_import_secret(partial.data, partial.size, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "size", dpattn_builder_import_secret(partial.data, SIZE_MAX, &imported, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "data", dpattn_release_load(NULL, file.size, &loaded, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "data", dpattn_release_load(NULL, 0, &loaded, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "release", dpattn_release_load(file.data, file.size, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "size", dpattn_release_load(file.data, SIZE_MAX, &loaded, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "copy", dpattn_release_retain(release, NULL, &err));
    CHECK(untouched(&imported, sizeof imported));
    CHECK(untouched(&loaded, sizeof loaded));
    OK(dpattn_release_retain(release, &copy, &err));
    OK(dpattn_release_free(copy, &err));
    free(partial.data);
    free(file.data);
    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_release_free(release, &err));
}

TEST(null_attend)
{
    dpattn_params params = typical_params();
    dpattn_release release = release_of(&params, 3, typical_budget());
    double out[VALUE_DIM];
    uint64_t clipped;
    dpattn_tensor q = matrix(numbers, DPATTN_F64, 1, KEY_DIM), o = matrix(out, DPATTN_F64, 1, VALUE_DIM);
    dirty(out, sizeof out);
    dirty(&clipped, sizeof clipped);
    FAILS(DPATTN_INVALID_ARGUMENT, "queries", dpattn_release_attend(release, NULL, &o, NULL, NULL, &clipped, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "out", dpattn_release_attend(release, &q, NULL, NULL, NULL, &clipped, &err));
    CHECK(untouched(out, sizeof out));
    CHECK(untouched(&clipped, sizeof clipped));
    OK(dpattn_release_attend(release, &q, &o, NULL, NULL, NULL, &err));
    OK(dpattn_release_free(release, &err));
}

TEST(null_merge)
{
    double out[VALUE_DIM], lse[1];
    dpattn_tensor o = matrix(numbers, DPATTN_F64, 1, VALUE_DIM), l = matrix(numbers, DPATTN_F64, 1, 1);
    dpattn_tensor to = matrix(out, DPATTN_F64, 1, VALUE_DIM), tl = matrix(lse, DPATTN_F64, 1, 1);
    dirty(out, sizeof out);
    dirty(lse, sizeof lse);
    FAILS(DPATTN_INVALID_ARGUMENT, "out_a", dpattn_merge(NULL, &l, &o, &l, &to, &tl, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "lse_a", dpattn_merge(&o, NULL, &o, &l, &to, &tl, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "out_b", dpattn_merge(&o, &l, NULL, &l, &to, &tl, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "lse_b", dpattn_merge(&o, &l, &o, NULL, &to, &tl, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "out", dpattn_merge(&o, &l, &o, &l, NULL, &tl, &err));
    CHECK(untouched(out, sizeof out));
    CHECK(untouched(lse, sizeof lse));
}

/* Every failing function also works without an error struct. */
TEST(null_error)
{
    CHECK(dpattn_params_init(NULL, 8, NULL) == DPATTN_INVALID_ARGUMENT);
    CHECK(dpattn_plan(NULL, 0, NULL, 0, NULL, NULL) == DPATTN_INVALID_ARGUMENT);
    CHECK(dpattn_builder_create(NULL, NULL, NULL) == DPATTN_INVALID_ARGUMENT);
    CHECK(dpattn_builder_add(0, 0, NULL, NULL, NULL, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_builder_merge(0, 0, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_builder_export_secret(0, NULL, 0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_builder_import_secret(NULL, 0, NULL, NULL) == DPATTN_INVALID_ARGUMENT);
    CHECK(dpattn_builder_info(0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_builder_diagnostics(0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_builder_release(0, NULL, NULL, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_builder_free(0, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_attend(0, NULL, NULL, NULL, NULL, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_info(0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_certificate(0, NULL, 0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_state(0, NULL, 0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_kv(0, NULL, NULL, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_save(0, NULL, 0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_load(NULL, 0, NULL, NULL) == DPATTN_INVALID_ARGUMENT);
    CHECK(dpattn_release_retain(0, NULL, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_release_free(0, NULL) == DPATTN_INVALID_HANDLE);
    CHECK(dpattn_merge(NULL, NULL, NULL, NULL, NULL, NULL, NULL) == DPATTN_INVALID_ARGUMENT);
}
