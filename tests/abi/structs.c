/* Structs that are older or newer than the library's. */
#include "abi.h"

/* Sizes that no version of a struct can have had. */
static const uint32_t odd_sizes[] = { 0, 1, 4, 9, 4100, 1u << 31, UINT32_MAX };
enum { ODD_SIZES = sizeof odd_sizes / sizeof *odd_sizes, BEYOND = 64 };

TEST(params_init)
{
    union {
        dpattn_params params;
        unsigned char memory[sizeof(dpattn_params) + BEYOND];
    } u;
    for (size_t size = 8; size <= sizeof u.memory; size += 8) {
        dirty(&u, sizeof u);
        OK(dpattn_params_init(&u.params, (uint32_t)size, &err));
        CHECK(u.params.struct_size == size);
        for (size_t i = 4; i < size; i++)
            CHECK(u.memory[i] == 0);
        CHECK(untouched(u.memory + size, sizeof u.memory - size));
    }
    dirty(&u, sizeof u);
    for (int i = 0; i < ODD_SIZES; i++)
        FAILS(DPATTN_INVALID_ARGUMENT, "struct_size", dpattn_params_init(&u.params, odd_sizes[i], &err));
    CHECK(untouched(&u, sizeof u));
    FAILS(DPATTN_INVALID_ARGUMENT, "params", dpattn_params_init(NULL, sizeof(dpattn_params), &err));
}

TEST(params_sizes)
{
    struct {
        dpattn_params params;
        unsigned char beyond[BEYOND];
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.params = typical_params();
    dpattn_builder builder;
    dirty(&builder, sizeof builder);
    for (int i = 0; i < ODD_SIZES; i++) {
        newer.params.struct_size = odd_sizes[i];
        FAILS(DPATTN_INVALID_ARGUMENT, "params.struct_size", dpattn_builder_create(&newer.params, &builder, &err));
    }

    newer.params.struct_size = sizeof newer;
    newer.beyond[BEYOND - 1] = 1;
    FAILS(DPATTN_UNSUPPORTED, "params", dpattn_builder_create(&newer.params, &builder, &err));
    CHECK(untouched(&builder, sizeof builder));

    newer.beyond[BEYOND - 1] = 0;
    OK(dpattn_builder_create(&newer.params, &builder, &err));
    OK(dpattn_builder_free(builder, &err));

    /* An older struct ends before center; the memory after its end is ignored. */
    dpattn_params older = typical_params();
    older.struct_size = offsetof(dpattn_params, center);
    older.center = (const double *)(uintptr_t)16;
    older.head_weights = (const double *)(uintptr_t)16;
    OK(dpattn_builder_create(&older, &builder, &err));
    OK(dpattn_builder_free(builder, &err));

    /* That of 0.1.0 ends before codebook. */
    older = typical_params();
    older.struct_size = offsetof(dpattn_params, codebook);
    older.codebook = (const double *)(uintptr_t)16;
    older.cells = older.reserved_2 = 7;
    OK(dpattn_builder_create(&older, &builder, &err));
    OK(dpattn_builder_free(builder, &err));
    older.mechanism = DPATTN_CODEBOOK;
    older.degree = 0;
    older.query_bound = 0;
    FAILS(DPATTN_INVALID_ARGUMENT, "params.cells", dpattn_builder_create(&older, &builder, &err));

    /* One that ends before key_bound lacks a required field. */
    older = typical_params();
    older.struct_size = offsetof(dpattn_params, key_bound);
    FAILS(DPATTN_INVALID_ARGUMENT, "key_bound", dpattn_builder_create(&older, &builder, &err));
}

TEST(budget_sizes)
{
    dpattn_params params = typical_params();
    dpattn_plan_result result = { .struct_size = sizeof result };
    struct {
        dpattn_budget budget;
        uint64_t beyond;
    } newer = { typical_budget(), 0 };
    for (int i = 0; i < ODD_SIZES; i++) {
        newer.budget.struct_size = odd_sizes[i];
        FAILS(DPATTN_INVALID_ARGUMENT, "budget.struct_size",
              dpattn_plan(&params, 100, &newer.budget, 0, &result, &err));
    }
    newer.budget.struct_size = sizeof newer;
    OK(dpattn_plan(&params, 100, &newer.budget, 0, &result, &err));
    newer.beyond = 1;
    FAILS(DPATTN_UNSUPPORTED, "budget", dpattn_plan(&params, 100, &newer.budget, 0, &result, &err));
    newer.budget = typical_budget();
    newer.budget.struct_size = offsetof(dpattn_budget, delta);
    FAILS(DPATTN_INVALID_ARGUMENT, "delta", dpattn_plan(&params, 100, &newer.budget, 0, &result, &err));
    newer.budget = typical_budget();
    newer.budget.reserved = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "budget.reserved", dpattn_plan(&params, 100, &newer.budget, 0, &result, &err));
}

TEST(progress_sizes)
{
    dpattn_params params = typical_params();
    dpattn_builder builder = builder_with_rows(&params, 1);
    double rows[KEY_DIM] = { 0 };
    dpattn_tensor k = matrix(rows, DPATTN_F64, 1, KEY_DIM), v = matrix(rows, DPATTN_F64, 1, VALUE_DIM);
    struct {
        dpattn_progress progress;
        uint64_t beyond;
    } newer = { { .struct_size = 0 }, 0 };
    for (int i = 0; i < ODD_SIZES; i++) {
        newer.progress.struct_size = odd_sizes[i];
        FAILS(DPATTN_INVALID_ARGUMENT, "progress.struct_size",
              dpattn_builder_add(builder, 0, &k, &v, NULL, &newer.progress, &err));
    }
    newer.progress.struct_size = sizeof newer;
    OK(dpattn_builder_add(builder, 0, &k, &v, NULL, &newer.progress, &err));
    newer.beyond = 1;
    FAILS(DPATTN_UNSUPPORTED, "progress", dpattn_builder_add(builder, 0, &k, &v, NULL, &newer.progress, &err));
    newer.progress.struct_size = sizeof newer.progress;
    newer.progress.reserved = 7;
    FAILS(DPATTN_INVALID_ARGUMENT, "progress.reserved",
          dpattn_builder_add(builder, 0, &k, &v, NULL, &newer.progress, &err));
    OK(dpattn_builder_free(builder, &err));
}

/* Every output struct is filled in the same way; call() asks for one of any size in `memory`. */
static void check_output_struct(const char *name, size_t full, int32_t (*call)(void *memory))
{
    unsigned char memory[512], whole[512];
    memset(whole, 0, sizeof whole);
    uint32_t stated = (uint32_t)full;
    memcpy(whole, &stated, sizeof stated);
    OK(call(whole));
    for (size_t size = 8; size <= full + BEYOND; size += 8) {
        dirty(memory, sizeof memory);
        stated = (uint32_t)size;
        memcpy(memory, &stated, sizeof stated);
        OK(call(memory));
        size_t filled = size < full ? size : full;
        CHECK(memcmp(memory, &stated, 4) == 0);
        CHECK(memcmp(memory + 4, whole + 4, filled - 4) == 0);
        CHECK(untouched(memory + filled, sizeof memory - filled));
    }
    for (int i = 0; i < ODD_SIZES; i++) {
        dirty(memory, sizeof memory);
        memcpy(memory, &odd_sizes[i], 4);
        FAILS(DPATTN_INVALID_ARGUMENT, name, call(memory));
        CHECK(untouched(memory + 4, sizeof memory - 4));
    }
    FAILS(DPATTN_INVALID_ARGUMENT, name, call(NULL));
}

static dpattn_builder a_builder;
static dpattn_release a_release;

static int32_t call_plan(void *memory)
{
    dpattn_params params = typical_params();
    dpattn_budget budget = typical_budget();
    return dpattn_plan(&params, 1000, &budget, 0.1, memory, &err);
}

static int32_t call_diagnostics(void *memory)
{
    return dpattn_builder_diagnostics(a_builder, memory, &err);
}

static int32_t call_builder_info(void *memory)
{
    return dpattn_builder_info(a_builder, memory, &err);
}

static int32_t call_info(void *memory)
{
    return dpattn_release_info(a_release, memory, &err);
}

TEST(output_structs)
{
    dpattn_params params = typical_params();
    a_builder = builder_with_rows(&params, 10);
    a_release = release_of(&params, 10, typical_budget());
    check_output_struct("result", sizeof(dpattn_plan_result), call_plan);
    check_output_struct("diagnostics", sizeof(dpattn_diagnostics), call_diagnostics);
    check_output_struct("info", sizeof(dpattn_info), call_info);
    check_output_struct("info", sizeof(dpattn_info), call_builder_info);
    OK(dpattn_builder_free(a_builder, &err));
    OK(dpattn_release_free(a_release, &err));
}
