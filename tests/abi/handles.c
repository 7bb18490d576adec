/* Zero, stale, twice freed, wrong-type and invented handles. */
#include "abi.h"

/* Every function that takes a builder refuses this one. */
static void bad_builder(dpattn_builder builder, dpattn_builder good)
{
    double numbers[KEY_DIM] = { 0 };
    dpattn_tensor k = matrix(numbers, DPATTN_F64, 1, KEY_DIM), v = matrix(numbers, DPATTN_F64, 1, VALUE_DIM);
    dpattn_budget budget = typical_budget();
    dpattn_diagnostics diagnostics;
    dpattn_release release;
    size_t needed;
    dirty(&diagnostics, sizeof diagnostics);
    diagnostics.struct_size = sizeof diagnostics;
    dirty(&release, sizeof release);
    dirty(&needed, sizeof needed);
    FAILS(DPATTN_INVALID_HANDLE, "builder", dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_HANDLE, "into", dpattn_builder_merge(builder, good, &err));
    FAILS(DPATTN_INVALID_HANDLE, "from", dpattn_builder_merge(good, builder, &err));
    FAILS(DPATTN_INVALID_HANDLE, "builder", dpattn_builder_export_secret(builder, NULL, 0, &needed, &err));
    dpattn_info info = { .struct_size = sizeof info };
    FAILS(DPATTN_INVALID_HANDLE, "builder", dpattn_builder_info(builder, &info, &err));
    FAILS(DPATTN_INVALID_HANDLE, "builder", dpattn_builder_diagnostics(builder, &diagnostics, &err));
    FAILS(DPATTN_INVALID_HANDLE, "builder", dpattn_builder_release(builder, &budget, NULL, &release, &err));
    FAILS(DPATTN_INVALID_HANDLE, "builder", dpattn_builder_free(builder, &err));
    CHECK(untouched((char *)&diagnostics + 4, sizeof diagnostics - 4));
    CHECK(untouched(&release, sizeof release));
    CHECK(untouched(&needed, sizeof needed));
}

/* Every function that takes a release refuses this one. */
static void bad_release(dpattn_release release)
{
    double numbers[KEY_DIM] = { 0 }, out[VALUE_DIM];
    dpattn_tensor q = matrix(numbers, DPATTN_F64, 1, KEY_DIM), o = matrix(out, DPATTN_F64, 1, VALUE_DIM);
    dpattn_info info;
    dpattn_release copy;
    size_t needed;
    dirty(out, sizeof out);
    dirty(&info, sizeof info);
    info.struct_size = sizeof info;
    dirty(&copy, sizeof copy);
    dirty(&needed, sizeof needed);
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_attend(release, &q, &o, NULL, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_info(release, &info, &err));
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_certificate(release, NULL, 0, &needed, &err));
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_state(release, NULL, 0, &needed, &err));
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_save(release, NULL, 0, &needed, &err));
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_retain(release, &copy, &err));
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_free(release, &err));
    CHECK(untouched(out, sizeof out));
    CHECK(untouched((char *)&info + 4, sizeof info - 4));
    CHECK(untouched(&copy, sizeof copy));
    CHECK(untouched(&needed, sizeof needed));
}

TEST(handles)
{
    dpattn_params params = typical_params();
    dpattn_builder good = builder_with_rows(&params, 3), builder = builder_with_rows(&params, 3);
    dpattn_release release = release_of(&params, 3, typical_budget());
    CHECK(good != 0 && builder != 0 && release != 0 && good != builder);

    bad_builder(0, good);
    bad_release(0);
    bad_builder(release, good);
    bad_release(good);
    bad_builder(UINT64_MAX, good);
    bad_release(UINT64_MAX);
    for (int bit = 0; bit < 64; bit++) {
        if ((builder ^ (uint64_t)1 << bit) != good) /* neighbouring slots differ in one bit */
            bad_builder(builder ^ (uint64_t)1 << bit, good);
        bad_release(release ^ (uint64_t)1 << bit);
    }

    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_release_free(release, &err));
    bad_builder(builder, good);
    bad_release(release);

    /* Freed handles stay stale when others take their places. */
    dpattn_builder builders[100];
    dpattn_release releases[100];
    for (int i = 0; i < 100; i++) {
        builders[i] = builder_with_rows(&params, 1);
        releases[i] = release_of(&params, 1, typical_budget());
    }
    bad_builder(builder, good);
    bad_release(release);
    for (int i = 0; i < 100; i++) {
        OK(dpattn_builder_free(builders[i], &err));
        OK(dpattn_release_free(releases[i], &err));
    }
    OK(dpattn_builder_free(good, &err));
}

/* A retained copy outlives the handle that it was made from. */
TEST(retain)
{
    dpattn_params params = typical_params();
    dpattn_release release = release_of(&params, 3, typical_budget()), copy = 0;
    bytes file = save_of(release);
    OK(dpattn_release_retain(release, &copy, &err));
    CHECK(copy != release);
    OK(dpattn_release_free(release, &err));
    bad_release(release);
    bytes again = save_of(copy);
    CHECK(same_bytes(file, again));
    OK(dpattn_release_free(copy, &err));
    bad_release(copy);
    free(file.data);
    free(again.data);
}
