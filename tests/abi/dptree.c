/* The mechanism DPTREE behind builder and release: the same calls, other parameters. */
#include "abi.h"

enum { ROWS = 200, QUERIES = 8, HEADS = 2 };

static dpattn_params tree_params(void)
{
    dpattn_params params;
    dpattn_params_init(&params, sizeof params, NULL);
    params.mechanism = DPATTN_DPTREE;
    params.adjacency = DPATTN_ADD_REMOVE;
    params.key_dim = KEY_DIM;
    params.value_dim = VALUE_DIM;
    params.degree = 3;
    params.range = 1;
    params.value_range = 1;
    params.leaves = 256;
    params.copies = 1;
    return params;
}

/* Numbers in [0, 1). */
static double *positive(uint64_t seed, size_t count)
{
    double *x = draw_many(seed, count);
    for (size_t i = 0; i < count; i++)
        x[i] = (x[i] + 1) / 2;
    return x;
}

static int32_t stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return total > 0 && done >= total / 2;
}

TEST(dptree_whole)
{
    dpattn_params params = tree_params();
    params.heads = HEADS;
    double *k = positive(1, HEADS * ROWS * KEY_DIM), *v = draw_many(2, HEADS * ROWS * VALUE_DIM),
           *q = positive(3, HEADS * QUERIES * KEY_DIM);
    k[0] = 7; /* clipped, and counted */
    k[KEY_DIM + 1] = (double)NAN;
    dpattn_tensor keys = cube(k, DPATTN_F64, HEADS, ROWS, KEY_DIM),
                  values = cube(v, DPATTN_F64, HEADS, ROWS, VALUE_DIM);
    dpattn_budget budget = vast_budget();
    dpattn_builder builder = 0, shard = 0;
    dpattn_release release = 0, loaded = 0;
    dpattn_plan_result plan = { .struct_size = sizeof plan };
    dpattn_progress cancel = { .struct_size = sizeof cancel, .callback = stop };

    OK(dpattn_plan(&params, ROWS, &budget, 0, &plan, &err));
    OK(dpattn_builder_create(&params, &builder, &err));
    OK(dpattn_builder_create(&params, &shard, &err));
    FAILS(DPATTN_CANCELLED, "", dpattn_builder_add(builder, DPATTN_ALL_HEADS, &keys, &values, NULL, &cancel, &err));
    OK(dpattn_builder_add(shard, DPATTN_ALL_HEADS, &keys, &values, NULL, NULL, &err));
    dpattn_diagnostics counts = diagnostics_of(shard);
    CHECK(counts.rows == HEADS * ROWS && counts.keys_clipped == 1 && counts.rows_zeroed == 1 &&
          counts.values_clipped == 0);

    bytes partial = export_of(shard);
    dpattn_builder imported = 0;
    OK(dpattn_builder_import_secret(partial.data, partial.size, &imported, &err));
    OK(dpattn_builder_merge(builder, imported, &err));
    bytes again = export_of(builder);
    CHECK(same_rows(partial, again));
    FAILS(DPATTN_INVALID_ARGUMENT, "from: it holds rows of a partial", dpattn_builder_merge(builder, shard, &err));
    free(again.data);
    free(partial.data);

    dpattn_release none = 0;
    FAILS(DPATTN_CANCELLED, "", dpattn_builder_release(builder, &budget, &cancel, &none, &err));
    CHECK(none == 0);
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_release(builder, &budget, NULL, &none, &err));

    dpattn_info info = info_of(release);
    CHECK(info.mechanism == DPATTN_DPTREE && info.range == 1 && info.value_range == 1 && info.leaves == 256 &&
          info.copies == 1);
    CHECK(info.trees == DPATTN_TREES_KEPT && info.mu == 0 && info.key_bound == 0 && info.features == 35 &&
          info.logit_bound == 1);
    CHECK(info.state_bytes == plan.state_bytes && info.save_bytes == plan.release_bytes && plan.features == 35 &&
          plan.mu == 0);

    double out[HEADS * QUERIES * VALUE_DIM], lse[HEADS * QUERIES], std[HEADS * QUERIES * VALUE_DIM],
        out2[HEADS * QUERIES * VALUE_DIM];
    q[0] = 2;
    dpattn_tensor queries = cube(q, DPATTN_F64, HEADS, QUERIES, KEY_DIM),
                  o = cube(out, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor l = cube(lse, DPATTN_F64, HEADS, QUERIES, 1), s = cube(std, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor o2 = cube(out2, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    uint64_t clipped = 0;
    OK(dpattn_release_attend(release, &queries, &o, &l, &s, &clipped, &err));
    CHECK(clipped == 1);
    for (int h = 0; h < HEADS; h++)
        for (int i = 1; i < QUERIES; i++) {
            double sum = 0, exact[VALUE_DIM] = { 0 };
            for (int j = 0; j < ROWS; j++) {
                double logit = 0;
                if (h == 0 && j == 1)
                    continue; /* the row with NaN counts as none */
                for (int c = 0; c < KEY_DIM; c++)
                    logit += fmin(k[(h * ROWS + j) * KEY_DIM + c], 1) * q[(h * QUERIES + i) * KEY_DIM + c] / KEY_DIM;
                sum += exp(logit);
                for (int c = 0; c < VALUE_DIM; c++)
                    exact[c] += exp(logit) * v[(h * ROWS + j) * VALUE_DIM + c];
            }
            for (int c = 0; c < VALUE_DIM; c++) {
                int at = (h * QUERIES + i) * VALUE_DIM + c;
                CHECK(fabs(out[at] - exact[c] / sum) < 0.03 && std[at] > 0 && std[at] < 0.1);
            }
            CHECK(fabs(lse[h * QUERIES + i] - log(sum)) < 0.03);
        }

    bytes file = save_of(release);
    CHECK(file.size == info.save_bytes);
    OK(dpattn_release_load(file.data, file.size, &loaded, &err));
    OK(dpattn_release_attend(loaded, &queries, &o2, NULL, NULL, NULL, &err));
    CHECK(memcmp(out, out2, sizeof out) == 0);
    file.data[file.size / 2] ^= 1;
    FAILS(DPATTN_CORRUPT, "checksum", dpattn_release_load(file.data, file.size, &none, &err));
    free(file.data);

    size_t needed = 0;
    FAILS(DPATTN_BUFFER_TOO_SMALL, "", dpattn_release_state(release, NULL, 0, &needed, &err));
    CHECK(needed * 8 == info.state_bytes);
    char *json = text_of(dpattn_release_certificate, release);
    CHECK(strstr(json, "\"mechanism\": \"dptree\"") != NULL && strstr(json, "\"composition\"") != NULL);
    free(json);

    free(k);
    free(v);
    free(q);
    OK(dpattn_release_free(release, &err));
    OK(dpattn_release_free(loaded, &err));
    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_builder_free(shard, &err));
    OK(dpattn_builder_free(imported, &err));
}

TEST(dptree_params)
{
    dpattn_builder builder;
    dirty(&builder, sizeof builder);
#define REFUSES(status, text, change)                                       \
    do {                                                                    \
        dpattn_params params = tree_params();                               \
        change;                                                             \
        FAILS(status, text, dpattn_builder_create(&params, &builder, &err)); \
    } while (0)
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.range", params.range = 0);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.range", params.range = 9);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.value_range", params.value_range = -1);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.value_range", params.value_range = (double)NAN);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.leaves", params.leaves = 0);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.leaves", params.leaves = 1u << 21);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.adjacency", params.adjacency = 0);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.key_bound", params.key_bound = 1);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.scale", params.scale = 1);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.trees", params.trees = 3);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.reserved", params.reserved = 1);
    REFUSES(DPATTN_OUT_OF_MEMORY, "would fit", params.copies = 1u << 24; params.leaves = 1u << 20);
    dpattn_params params = typical_params();
    params.range = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "params.range", dpattn_builder_create(&params, &builder, &err));
    CHECK(untouched(&builder, sizeof builder));
}
