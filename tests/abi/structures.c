/* The range-sum tree and the distance structure. */
#include "abi.h"

enum { N = 300, LEAVES = 64, DIM = 2 };

static dpattn_structure_params for_tree(void)
{
    dpattn_structure_params params = {
        .struct_size = sizeof params, .adjacency = DPATTN_REPLACE, .leaves = N, .weight = 1
    };
    return params;
}

static dpattn_structure_params for_distance(void)
{
    dpattn_structure_params params = {
        .struct_size = sizeof params, .adjacency = DPATTN_ADD_REMOVE, .leaves = LEAVES, .dim = DIM, .squared = 1
    };
    params.range = 2;
    params.weight = 1;
    return params;
}

TEST(tree)
{
    double *values = draw_many(5, N), sums[3], stddev[3], again[3];
    values[7] = (double)INFINITY;
    values[9] = 40;
    dpattn_structure_params params = for_tree();
    dpattn_budget budget = vast_budget();
    dpattn_diagnostics counts = { .struct_size = sizeof counts };
    dpattn_structure_info info = { .struct_size = sizeof info };
    dpattn_tree tree = 0, loaded = 0;
    OK(dpattn_tree_create(&params, values, NULL, NULL, N, &budget, NULL, &counts, &tree, &err));
    CHECK(counts.rows == N && counts.rows_zeroed == 1 && counts.values_clipped == 1);
    values[7] = 0;
    values[9] = 1;
    int64_t first[3] = { 0, 17, 20 }, last[3] = { N, 203, 20 };
    OK(dpattn_tree_query(tree, first, last, 3, sums, stddev, &err));
    for (int i = 0; i < 3; i++) {
        double exact = 0;
        for (int64_t j = first[i]; j < last[i]; j++)
            exact += values[j];
        CHECK(fabs(sums[i] - exact) < 0.01 && stddev[i] < 0.01 && (stddev[i] > 0) == (last[i] > first[i]));
    }
    OK(dpattn_tree_info(tree, &info, &err));
    CHECK(info.leaves == N && info.weight == 1 && info.mechanisms == 10 && info.epsilon == budget.epsilon &&
          info.epsilon0 <= budget.epsilon / 9);

    bytes file = answer_of(dpattn_tree_save, tree);
    CHECK(file.size == info.save_bytes);
    OK(dpattn_tree_load(file.data, file.size, &loaded, &err));
    OK(dpattn_tree_query(loaded, first, last, 3, again, NULL, &err));
    CHECK(memcmp(sums, again, sizeof sums) == 0);

    /* One kind is not another, as a handle or as a file. */
    dpattn_distance distance = 0;
    dpattn_release release = 0;
    FAILS(DPATTN_CORRUPT, "DPTreeHighDim is wanted", dpattn_distance_load(file.data, file.size, &distance, &err));
    FAILS(DPATTN_CORRUPT, "a release is wanted", dpattn_release_load(file.data, file.size, &release, &err));
    for (size_t i = 0; i < file.size; i += 97) {
        file.data[i] ^= 1;
        FAILS(DPATTN_CORRUPT, "", dpattn_tree_load(file.data, file.size, &distance, &err));
        file.data[i] ^= 1;
        FAILS(DPATTN_CORRUPT, "", dpattn_tree_load(file.data, i, &distance, &err));
    }
    free(file.data);
    FAILS(DPATTN_INVALID_HANDLE, "tree", dpattn_distance_info(tree, &info, &err));
    FAILS(DPATTN_INVALID_HANDLE, "", dpattn_tree_query(0, first, last, 3, sums, NULL, &err));

    /* All ranges are checked before any answer is written. */
    last[2] = N + 1;
    dirty(sums, sizeof sums);
    FAILS(DPATTN_INVALID_ARGUMENT, "range", dpattn_tree_query(tree, first, last, 3, sums, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "first", dpattn_tree_query(tree, NULL, last, 3, sums, NULL, &err));
    CHECK(untouched(sums, sizeof sums));
    OK(dpattn_tree_query(tree, NULL, NULL, 0, NULL, NULL, &err));

    OK(dpattn_tree_free(tree, &err));
    FAILS(DPATTN_INVALID_HANDLE, "tree", dpattn_tree_free(tree, &err));
    FAILS(DPATTN_INVALID_HANDLE, "tree", dpattn_tree_query(tree, first, last, 1, sums, NULL, &err));
    OK(dpattn_tree_free(loaded, &err));
    free(values);
}

TEST(tree_positions_and_owners)
{
    double values[4] = { 1, 1, 1, 1 }, sum;
    int64_t positions[4] = { 2, 2, -1, 0 }, first = 2, last = 3;
    uint64_t owners[4] = { 5, 5, 6, 7 };
    dpattn_structure_params params = for_tree();
    params.leaves = 3;
    params.owner_rows = 1;
    dpattn_budget budget = vast_budget();
    dpattn_diagnostics counts = { .struct_size = sizeof counts };
    dpattn_tree tree = 0;
    OK(dpattn_tree_create(&params, values, positions, owners, 4, &budget, NULL, &counts, &tree, &err));
    CHECK(counts.rows_dropped == 1 && counts.keys_clipped == 1);
    OK(dpattn_tree_query(tree, &first, &last, 1, &sum, NULL, &err));
    CHECK(fabs(sum - 1) < 0.01);
    OK(dpattn_tree_free(tree, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "owners",
          dpattn_tree_create(&params, values, positions, NULL, 4, &budget, NULL, NULL, &tree, &err));
    /* One leaf, and no rows at all. */
    params.leaves = 1;
    params.owner_rows = 0;
    first = 0, last = 1;
    OK(dpattn_tree_create(&params, NULL, NULL, NULL, 0, &budget, NULL, NULL, &tree, &err));
    OK(dpattn_tree_query(tree, &first, &last, 1, &sum, NULL, &err));
    CHECK(fabs(sum) < 0.01);
    OK(dpattn_tree_free(tree, &err));
}

TEST(distance)
{
    double *points = draw_many(6, N * DIM), *weights = draw_many(7, N), l1[2], l2[2], again[2],
           queries[2 * DIM] = { 0.5, 1.5, 2, 0 };
    for (int i = 0; i < N * DIM; i++)
        points[i] += 1; /* in [0, 2) */
    dpattn_tensor x = matrix(points, DPATTN_F64, N, DIM), w = matrix(weights, DPATTN_F64, N, 1),
                  q = matrix(queries, DPATTN_F64, 2, DIM);
    dpattn_tensor a = matrix(l1, DPATTN_F64, 2, 1), b = matrix(l2, DPATTN_F64, 2, 1),
                  c = matrix(again, DPATTN_F64, 2, 1);
    dpattn_structure_params params = for_distance();
    dpattn_budget budget = vast_budget();
    dpattn_structure_info info = { .struct_size = sizeof info };
    dpattn_distance distance = 0, loaded = 0;
    OK(dpattn_distance_create(&params, &x, &w, NULL, &budget, NULL, NULL, &distance, &err));
    OK(dpattn_distance_query(distance, &q, &a, &b, &err));
    for (int i = 0; i < 2; i++) {
        double exact1 = 0, exact2 = 0, mass = 0;
        for (int j = 0; j < N; j++) {
            mass += fabs(weights[j]);
            for (int e = 0; e < DIM; e++) {
                double d = fabs(points[j * DIM + e] - queries[i * DIM + e]);
                exact1 += weights[j] * d;
                exact2 += weights[j] * d * d;
            }
        }
        /* Rounding to the grid moves a coordinate by at most range / (2 leaves), and a square by at
         * most 2 range times that. */
        double step = 2.0 / (2 * LEAVES);
        CHECK(fabs(l1[i] - exact1) < 1.05 * DIM * step * mass + 0.1);
        CHECK(fabs(l2[i] - exact2) < 1.05 * DIM * step * 4 * mass + 0.1);
    }
    OK(dpattn_distance_info(distance, &info, &err));
    CHECK(info.dim == DIM && info.squared == 1 && info.range == 2 && info.mechanisms == 3 * DIM * 7);
    char *json = text_of(dpattn_distance_certificate, distance);
    CHECK(strstr(json, "DPTreeHighDim") != NULL);
    free(json);
    bytes file = answer_of(dpattn_distance_save, distance);
    OK(dpattn_distance_load(file.data, file.size, &loaded, &err));
    OK(dpattn_distance_query(loaded, &q, NULL, &c, &err));
    CHECK(memcmp(again, l2, sizeof l2) == 0);
    free(file.data);
    queries[0] = (double)NAN;
    OK(dpattn_distance_query(loaded, &q, &c, NULL, &err));
    CHECK(isnan(again[0]) && again[1] == l1[1]);
    OK(dpattn_distance_free(loaded, &err));
    OK(dpattn_distance_free(distance, &err));

    params.squared = 0;
    OK(dpattn_distance_create(&params, &x, NULL, NULL, &budget, NULL, NULL, &distance, &err));
    FAILS(DPATTN_UNSUPPORTED, "squared", dpattn_distance_query(distance, &q, NULL, &b, &err));
    q.shape[1] = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "queries", dpattn_distance_query(distance, &q, &a, NULL, &err));
    OK(dpattn_distance_free(distance, &err));
    free(points);
    free(weights);
}

static int32_t stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done > 0 && total > 0;
}

TEST(structures_refuse)
{
    double values[2] = { 0, 0 };
    dpattn_tensor x = matrix(values, DPATTN_F64, 2, 1);
    dpattn_budget budget = typical_budget();
    dpattn_progress cancel = { .struct_size = sizeof cancel, .callback = stop };
    dpattn_tree tree;
    dpattn_distance distance;
    dirty(&tree, sizeof tree);
    dirty(&distance, sizeof distance);
#define REFUSES(text, change)                                                                                          \
    do {                                                                                                               \
        dpattn_structure_params params = for_tree();                                                                   \
        change;                                                                                                        \
        FAILS(DPATTN_INVALID_ARGUMENT, text,                                                                           \
              dpattn_tree_create(&params, values, NULL, NULL, 2, &budget, NULL, NULL, &tree, &err));                   \
    } while (0)
    REFUSES("leaves", params.leaves = 0);
    REFUSES("leaves", params.leaves = (1u << 28) + 1);
    REFUSES("weight", params.weight = 0);
    REFUSES("weight", params.weight = (double)NAN);
    REFUSES("adjacency", params.adjacency = 0);
    REFUSES("dim", params.dim = 1);
    REFUSES("range", params.range = 1);
    REFUSES("struct_size", params.struct_size = 0);
    dpattn_structure_params params = for_tree();
    FAILS(DPATTN_INVALID_ARGUMENT, "values",
          dpattn_tree_create(&params, NULL, NULL, NULL, 2, &budget, NULL, NULL, &tree, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "params",
          dpattn_tree_create(NULL, values, NULL, NULL, 2, &budget, NULL, NULL, &tree, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "budget",
          dpattn_tree_create(&params, values, NULL, NULL, 2, NULL, NULL, NULL, &tree, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "tree",
          dpattn_tree_create(&params, values, NULL, NULL, 2, &budget, NULL, NULL, NULL, &err));
    FAILS(DPATTN_LIMIT, "rows",
          dpattn_tree_create(&params, values, NULL, NULL, UINT64_MAX, &budget, NULL, NULL, &tree, &err));
    FAILS(DPATTN_CANCELLED, "",
          dpattn_tree_create(&params, values, NULL, NULL, 2, &budget, &cancel, NULL, &tree, &err));
    budget.delta = 0;
    FAILS(DPATTN_INVALID_ARGUMENT, "delta",
          dpattn_tree_create(&params, values, NULL, NULL, 2, &budget, NULL, NULL, &tree, &err));
    budget = typical_budget();
    params = for_distance();
    FAILS(DPATTN_INVALID_ARGUMENT, "points",
          dpattn_distance_create(&params, &x, NULL, NULL, &budget, NULL, NULL, &distance, &err));
    params.dim = 0; /* 1 */
    FAILS(DPATTN_INVALID_ARGUMENT, "points",
          dpattn_distance_create(&params, NULL, NULL, NULL, &budget, NULL, NULL, &distance, &err));
    FAILS(DPATTN_CANCELLED, "",
          dpattn_distance_create(&params, &x, NULL, NULL, &budget, &cancel, NULL, &distance, &err));
    CHECK(untouched(&tree, sizeof tree) && untouched(&distance, sizeof distance));
    OK(dpattn_distance_create(&params, &x, NULL, NULL, &budget, NULL, NULL, &distance, &err));
    OK(dpattn_distance_free(distance, &err));
}
