/* The secret side: merging, export and import, and rows that are anything but numbers. */
#include "abi.h"

#include <fenv.h>

enum { ROWS = 700 };

/* All rows in one builder; and the same rows dealt out to `shards` builders in chunks of odd sizes,
 * then merged, every second through an exported partial. */
static bytes sums(const dpattn_params *params, const double *keys, const double *values, const uint64_t *owners,
                  int shards)
{
    dpattn_builder builders[64];
    for (int s = 0; s < shards; s++)
        OK(dpattn_builder_create(params, &builders[s], &err));
    int chunk = 1, shard = 0;
    for (int row = 0; row < ROWS;
         row += chunk, shard = (shard + 1) % shards, chunk = shards == 1 ? ROWS : chunk % 31 + 5) {
        if (row + chunk > ROWS)
            chunk = ROWS - row;
        if (shards == 1)
            chunk = ROWS;
        dpattn_tensor k = matrix(keys + row * KEY_DIM, DPATTN_F64, chunk, KEY_DIM),
                      v = matrix(values + row * VALUE_DIM, DPATTN_F64, chunk, VALUE_DIM);
        OK(dpattn_builder_add(builders[shard], 0, &k, &v, owners ? owners + row : NULL, NULL, &err));
    }
    for (int s = shards - 1; s > 0; s--) {
        dpattn_builder from = builders[s];
        if (s % 2) {
            bytes partial = export_of(from);
            OK(dpattn_builder_import_secret(partial.data, partial.size, &from, &err));
            free(partial.data);
            OK(dpattn_builder_free(builders[s], &err));
        }
        OK(dpattn_builder_merge(builders[s / 2], from, &err));
        FAILS(DPATTN_CONSUMED, "", dpattn_builder_merge(builders[s / 2], from, &err));
        FAILS(DPATTN_CONSUMED, "", dpattn_builder_merge(from, builders[s / 2], &err));
        OK(dpattn_builder_free(from, &err));
    }
    bytes all = export_of(builders[0]);
    OK(dpattn_builder_free(builders[0], &err));
    return all;
}

/* The host's floating-point mode does not change how rows are rounded, on its own thread or on the
 * library's. */
static void check_rounding_modes(dpattn_params params)
{
    double *keys = draw_many(31, ROWS * KEY_DIM), *values = draw_many(32, ROWS * VALUE_DIM);
    bytes plain = sums(&params, keys, values, NULL, 1);
    static const int modes[] = { FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        CHECK(fesetround(modes[i]) == 0);
        bytes strange = sums(&params, keys, values, NULL, 1);
        CHECK(fegetround() == modes[i]);
        fesetround(FE_TONEAREST);
        CHECK(same_rows(plain, strange));
        free(strange.data);
    }
    free(plain.data);
    free(keys);
    free(values);
}

TEST(rounding_mode)
{
    check_rounding_modes(typical_params());
    check_rounding_modes(codebook_params(1));
}

static void check_shards(dpattn_params params, uint32_t owner_rows, double owner_bound)
{
    params.owner_rows = owner_rows;
    params.owner_bound = owner_bound;
    double *keys = draw_many(31, ROWS * KEY_DIM), *values = draw_many(32, ROWS * VALUE_DIM);
    uint64_t owners[ROWS];
    for (int i = 0; i < ROWS; i++)
        owners[i] = (uint64_t)(i * i % 100) << 32;
    bytes want = sums(&params, keys, values, owner_rows ? owners : NULL, 1);
    static const int shards[] = { 2, 7, 64 };
    for (int i = 0; i < 3; i++) {
        bytes got = sums(&params, keys, values, owner_rows ? owners : NULL, shards[i]);
        CHECK(same_rows(want, got));
        free(got.data);
    }
    free(want.data);
    free(keys);
    free(values);
}

TEST(shards)
{
    check_shards(typical_params(), 0, 0);
    check_shards(codebook_params(1), 0, 0);
}

TEST(shards_of_owners)
{
    check_shards(typical_params(), 3, 0);
    check_shards(typical_params(), 20, 2.5);
    check_shards(codebook_params(1), 3, 0);
    check_shards(codebook_params(1), 20, 2.5);
}

static dpattn_builder import_of(bytes partial)
{
    dpattn_builder builder = 0;
    OK(dpattn_builder_import_secret(partial.data, partial.size, &builder, &err));
    return builder;
}

/* The merge is refused, and changes neither builder. */
static void refuses(dpattn_builder into, dpattn_builder from, int32_t status, const char *text)
{
    bytes before_into = export_of(into), before_from = export_of(from);
    FAILS(status, text, dpattn_builder_merge(into, from, &err));
    bytes after_into = export_of(into), after_from = export_of(from);
    CHECK(same_bytes(before_into, after_into) && same_bytes(before_from, after_from));
    free(before_into.data);
    free(before_from.data);
    free(after_into.data);
    free(after_from.data);
}

static void counted_once(dpattn_builder into, dpattn_builder from)
{
    refuses(into, from, DPATTN_INVALID_ARGUMENT, "from: it holds rows of a partial that into has already");
}

static void check_merged_twice(const dpattn_params *params)
{
    enum { BUILDERS = 9 };
    dpattn_builder b[BUILDERS] = { builder_with_rows(params, 5), builder_with_rows(params, 6) };
    bytes file = export_of(b[0]), again = export_of(b[0]);
    CHECK(same_bytes(file, again));
    b[2] = import_of(file);
    b[3] = import_of(file);
    counted_once(b[2], b[3]); /* one file twice */
    counted_once(b[0], b[2]); /* a builder and its export */
    counted_once(b[2], b[0]);
    OK(dpattn_builder_merge(b[1], b[2], &err)); /* once */
    bytes whole = export_of(b[1]);
    b[4] = import_of(whole);
    counted_once(b[1], b[3]); /* and again */
    counted_once(b[4], b[0]); /* the whole's export and a part */
    counted_once(b[3], b[4]);
    b[5] = builder_with_rows(params, 5);
    OK(dpattn_builder_merge(b[5], b[4], &err)); /* the same rows from another builder are other rows */

    /* A partial without rows may go anywhere, any number of times. */
    b[6] = builder_with_rows(params, 0);
    bytes empty = export_of(b[6]);
    b[7] = import_of(empty);
    b[8] = import_of(empty);
    OK(dpattn_builder_merge(b[7], b[8], &err));
    OK(dpattn_builder_merge(b[0], b[7], &err));
    OK(dpattn_builder_merge(b[0], b[6], &err));
    bytes same = export_of(b[0]);
    CHECK(same_bytes(file, same));

    bytes files[] = { file, again, whole, empty, same };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        free(files[i].data);
    for (int i = 0; i < BUILDERS; i++)
        OK(dpattn_builder_free(b[i], &err));
}

TEST(partials_merged_twice)
{
    dpattn_params rows = typical_params(), owners = rows;
    owners.owner_rows = 2;
    check_merged_twice(&rows);
    check_merged_twice(&owners);
    owners.owner_bound = 1.5;
    check_merged_twice(&owners);
}

TEST(merge_refuses)
{
    dpattn_params params = typical_params(), other = params;
    other.degree = 3;
    dpattn_builder a = builder_with_rows(&params, 5), b = builder_with_rows(&other, 5);
    refuses(a, a, DPATTN_INVALID_ARGUMENT, "from");
    refuses(a, b, DPATTN_MISMATCH, "from");
    OK(dpattn_builder_free(a, &err));
    OK(dpattn_builder_free(b, &err));
}

/* Merging and releasing consume: every other function then says so, and only freeing is left. */
TEST(consumed)
{
    dpattn_params params = typical_params();
    dpattn_builder builders[2] = { builder_with_rows(&params, 5), builder_with_rows(&params, 5) },
                   into = builder_with_rows(&params, 5);
    dpattn_budget budget = typical_budget();
    dpattn_release release = 0;
    OK(dpattn_builder_release(builders[0], &budget, NULL, &release, &err));
    OK(dpattn_builder_merge(into, builders[1], &err));
    double numbers[KEY_DIM] = { 0 };
    dpattn_tensor k = matrix(numbers, DPATTN_F64, 1, KEY_DIM), v = matrix(numbers, DPATTN_F64, 1, VALUE_DIM);
    for (int i = 0; i < 2; i++) {
        dpattn_diagnostics diagnostics;
        dpattn_release second;
        size_t needed;
        dirty(&diagnostics, sizeof diagnostics);
        diagnostics.struct_size = sizeof diagnostics;
        dirty(&second, sizeof second);
        dirty(&needed, sizeof needed);
        FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_add(builders[i], 0, &k, &v, NULL, NULL, &err));
        FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_export_secret(builders[i], NULL, 0, &needed, &err));
        FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_diagnostics(builders[i], &diagnostics, &err));
        FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_release(builders[i], &budget, NULL, &second, &err));
        FAILS(DPATTN_CONSUMED, "", dpattn_builder_merge(into, builders[i], &err));
        FAILS(DPATTN_CONSUMED, "", dpattn_builder_merge(builders[i], into, &err));
        CHECK(untouched((char *)&diagnostics + 4, sizeof diagnostics - 4));
        CHECK(untouched(&second, sizeof second));
        CHECK(untouched(&needed, sizeof needed));
        OK(dpattn_builder_free(builders[i], &err));
    }
    OK(dpattn_builder_free(into, &err));
    OK(dpattn_release_free(release, &err));
}

/* Rows of NaN, Inf, denormals and 1e308 are no error. Those that are not finite contribute nothing,
 * long ones are scaled to the bounds; the diagnostics count both. */
static void check_hostile_rows(dpattn_params params)
{
    enum { HOSTILE = 10000, GOOD = 200 };
    static const double kinds[] = { (double)NAN, (double)INFINITY, -(double)INFINITY, 5e-324, 1e308, -1e308 };
    double *keys = malloc(HOSTILE * KEY_DIM * sizeof *keys), *values = malloc(HOSTILE * VALUE_DIM * sizeof *values);
    uint64_t state = 33, zeroed = 0, long_keys = 0, long_values = 0;
    for (int i = 0; i < HOSTILE; i++) {
        double kind = kinds[i % 6];
        int in_key = i / 6 % 3 != 1, in_value = i / 6 % 3 != 0; /* in the key, in the value, in both */
        for (int c = 0; c < KEY_DIM; c++)
            keys[i * KEY_DIM + c] = draw(&state) / 2;
        for (int c = 0; c < VALUE_DIM; c++)
            values[i * VALUE_DIM + c] = draw(&state) / 2;
        int all = i % 7 == 0; /* one coordinate, or all */
        for (int c = 0; in_key && c < (all ? KEY_DIM : 1); c++)
            keys[i * KEY_DIM + (i + c) % KEY_DIM] = kind;
        for (int c = 0; in_value && c < (all ? VALUE_DIM : 1); c++)
            values[i * VALUE_DIM + (i + c) % VALUE_DIM] = kind;
        zeroed += isfinite(kind) ? 0 : 1;
        long_keys += in_key && fabs(kind) == 1e308 ? 1 : 0;
        long_values += in_value && fabs(kind) == 1e308 ? 1 : 0;
    }
    dpattn_builder builder = builder_with_rows(&params, GOOD);
    dpattn_diagnostics before = diagnostics_of(builder);
    CHECK(before.rows == GOOD && before.rows_zeroed == 0);
    dpattn_tensor k = matrix(keys, DPATTN_F64, HOSTILE, KEY_DIM), v = matrix(values, DPATTN_F64, HOSTILE, VALUE_DIM);
    OK(dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err));
    dpattn_diagnostics after = diagnostics_of(builder);
    CHECK(after.rows - before.rows == HOSTILE);
    CHECK(after.rows_zeroed == zeroed);
    CHECK(after.keys_clipped - before.keys_clipped == long_keys);
    CHECK(after.values_clipped - before.values_clipped == long_values);
    CHECK(after.rows_dropped == 0 && after.owners == 0);
    OK(dpattn_builder_free(builder, &err));

    /* Without the finite ones, the answers are those of the good rows alone. */
    dpattn_builder plain = builder_with_rows(&params, GOOD), mixed = builder_with_rows(&params, GOOD);
    for (int i = 0; i < HOSTILE; i++)
        if (i % 6 < 3 && i < 3000) {
            dpattn_tensor k1 = matrix(keys + i * KEY_DIM, DPATTN_F64, 1, KEY_DIM),
                          v1 = matrix(values + i * VALUE_DIM, DPATTN_F64, 1, VALUE_DIM);
            OK(dpattn_builder_add(mixed, 0, &k1, &v1, NULL, NULL, &err));
        }
    dpattn_budget budget = vast_budget();
    double query[KEY_DIM] = { 0.5, -0.25, 0.125, 0 }, out[2][VALUE_DIM], lse[2][1];
    for (int i = 0; i < 2; i++) {
        dpattn_release release = 0;
        OK(dpattn_builder_release(i ? mixed : plain, &budget, NULL, &release, &err));
        dpattn_tensor q = matrix(query, DPATTN_F64, 1, KEY_DIM), o = matrix(out[i], DPATTN_F64, 1, VALUE_DIM),
                      l = matrix(lse[i], DPATTN_F64, 1, 1);
        OK(dpattn_release_attend(release, &q, &o, &l, NULL, NULL, &err));
        OK(dpattn_release_free(release, &err));
    }
    CHECK(fabs(lse[0][0] - lse[1][0]) < 1e-3);
    for (int c = 0; c < VALUE_DIM; c++)
        CHECK(fabs(out[0][c] - out[1][c]) < 1e-3);
    OK(dpattn_builder_free(plain, &err));
    OK(dpattn_builder_free(mixed, &err));
    free(keys);
    free(values);
}

TEST(hostile_rows)
{
    check_hostile_rows(typical_params());
    check_hostile_rows(codebook_params(1));
}

/* Of an owner with many rows at most owner_rows are kept, whatever the order; ids are any 64-bit
 * numbers. */
TEST(owners)
{
    enum { COUNT = 60, OWNERS = 4, MOST = 5 };
    static const uint64_t ids[OWNERS] = { 0, 1, UINT64_MAX, (uint64_t)1 << 63 };
    dpattn_params params = typical_params();
    params.owner_rows = MOST;
    double *keys = draw_many(34, COUNT * KEY_DIM), *values = draw_many(35, COUNT * VALUE_DIM);
    bytes sums_by_order[2];
    for (int reversed = 0; reversed < 2; reversed++) {
        uint64_t owners[COUNT];
        for (int i = 0; i < COUNT; i++)
            owners[i] = ids[(reversed ? COUNT - 1 - i : i) % OWNERS];
        dpattn_tensor k = matrix(keys, DPATTN_F64, COUNT, KEY_DIM), v = matrix(values, DPATTN_F64, COUNT, VALUE_DIM);
        if (reversed) {
            k.data = keys + (COUNT - 1) * KEY_DIM;
            k.strides[0] = -k.strides[0];
            v.data = values + (COUNT - 1) * VALUE_DIM;
            v.strides[0] = -v.strides[0];
        }
        dpattn_builder builder = 0;
        OK(dpattn_builder_create(&params, &builder, &err));
        OK(dpattn_builder_add(builder, 0, &k, &v, owners, NULL, &err));
        dpattn_diagnostics d = diagnostics_of(builder);
        CHECK(d.rows == COUNT && d.owners == OWNERS && d.rows_dropped == COUNT - OWNERS * MOST);
        sums_by_order[reversed] = export_of(builder);
        OK(dpattn_builder_free(builder, &err));
    }
    CHECK(same_rows(sums_by_order[0], sums_by_order[1]));
    free(sums_by_order[0].data);
    free(sums_by_order[1].data);
    free(keys);
    free(values);
}

/* With owner_bound all rows of an owner are kept and their sum is scaled to the bound: the norm of
 * the state is that of BOUND rows for the one owner and of a row for the other, not of COUNT rows,
 * up to noise. */
TEST(owner_bound)
{
    enum { COUNT = 60, BOUND = 2 };
    dpattn_params params = typical_params();
    params.owner_rows = COUNT;
    params.owner_bound = BOUND;
    double *keys = draw_many(34, COUNT * KEY_DIM), *values = draw_many(35, COUNT * VALUE_DIM);
    uint64_t owners[COUNT] = { 0 };
    owners[COUNT - 1] = 1; /* a row alone */
    dpattn_tensor k = matrix(keys, DPATTN_F64, COUNT, KEY_DIM), v = matrix(values, DPATTN_F64, COUNT, VALUE_DIM);
    dpattn_builder builder = 0;
    OK(dpattn_builder_create(&params, &builder, &err));
    OK(dpattn_builder_add(builder, 0, &k, &v, owners, NULL, &err));
    dpattn_diagnostics d = diagnostics_of(builder);
    CHECK(d.rows == COUNT && d.owners == 2 && d.rows_dropped == 0 && d.owners_clipped == 1);
    dpattn_budget budget = vast_budget();
    dpattn_release release = 0;
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    dpattn_info info = info_of(release);
    CHECK(info.owner_bound == BOUND && info.owner_rows == COUNT);
    int64_t state[15 * (VALUE_DIM + 1)];
    size_t needed;
    CHECK(info.state_bytes == sizeof state);
    OK(dpattn_release_state(release, state, sizeof state / sizeof *state, &needed, &err));
    /* The norm bound of one row, without the column for lambda. */
    double squared = 0, unit = (double)(1 << 26) * (double)(1 << 20);
    for (size_t i = 0; i < needed; i++)
        squared += (double)state[i] * (double)state[i];
    CHECK(squared > unit && squared < (BOUND + 1.1) * (BOUND + 1.1) * 2 * unit);
    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_release_free(release, &err));
    free(keys);
    free(values);
}
