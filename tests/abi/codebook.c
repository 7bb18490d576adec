/* The mechanism CODEBOOK behind builder and release, and its release as keys, values and biases. */
#include "abi.h"

#include <unistd.h>

enum { ROWS = 200, QUERIES = 8, HEADS = 2 };

/* The exact sums: rows and values of each cell. */
typedef struct sums {
    double mass[HEADS][CELLS], values[HEADS][CELLS][VALUE_DIM];
} sums;

static double distance(const double *a, const double *b)
{
    double squares = 0;
    for (int c = 0; c < KEY_DIM; c++)
        squares += (a[c] - b[c]) * (a[c] - b[c]);
    return squares;
}

static sums exact_sums(const double *codebook, const double *keys, const double *values)
{
    sums s;
    memset(&s, 0, sizeof s);
    for (int h = 0; h < HEADS; h++)
        for (int j = h * ROWS; j < (h + 1) * ROWS; j++) {
            const double *key = keys + j * KEY_DIM;
            int nearest = 0;
            if (isnan(key[0]))
                continue;
            for (int c = 1; c < CELLS; c++)
                if (distance(key, codebook + (h * CELLS + c) * KEY_DIM) <
                    distance(key, codebook + (h * CELLS + nearest) * KEY_DIM))
                    nearest = c;
            s.mass[h][nearest]++;
            for (int c = 0; c < VALUE_DIM; c++)
                s.values[h][nearest][c] += values[j * VALUE_DIM + c];
        }
    return s;
}

static double logit(double scale, const double *q, const double *k)
{
    double sum = 0;
    for (int c = 0; c < KEY_DIM; c++)
        sum += q[c] * k[c];
    return scale * sum;
}

static double number_after(const char *json, const char *name)
{
    const char *at = strstr(json, name);
    return at == NULL ? (double)NAN : strtod(at + strlen(name), NULL);
}

static int32_t stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return total > 0 && done >= total / 2;
}

TEST(codebook_whole)
{
    dpattn_params params = codebook_params(HEADS);
    params.scale = 3;
    double *k = draw_many(1, HEADS * ROWS * KEY_DIM), *v = draw_many(2, HEADS * ROWS * VALUE_DIM),
           *q = draw_many(3, HEADS * QUERIES * KEY_DIM);
    for (int i = 0; i < HEADS * ROWS * VALUE_DIM; i++)
        v[i] /= 2;
    for (int i = 0; i < KEY_DIM; i++)
        k[i] = 2 * params.codebook[i]; /* longer than key_bound, perhaps; it keeps its direction */
    k[0] = 7;
    k[KEY_DIM] = (double)NAN;
    v[2 * VALUE_DIM] = 9;
    dpattn_tensor keys = cube(k, DPATTN_F64, HEADS, ROWS, KEY_DIM),
                  values = cube(v, DPATTN_F64, HEADS, ROWS, VALUE_DIM);
    dpattn_budget budget = vast_budget();
    dpattn_builder builder = 0, shard = 0, imported = 0;
    dpattn_release release = 0, loaded = 0, none = 0;
    dpattn_plan_result plan = { .struct_size = sizeof plan };
    dpattn_progress cancel = { .struct_size = sizeof cancel, .callback = stop };

    OK(dpattn_plan(&params, ROWS, &budget, 0, &plan, &err));
    OK(dpattn_builder_create(&params, &builder, &err));
    OK(dpattn_builder_create(&params, &shard, &err));
    FAILS(DPATTN_CANCELLED, "", dpattn_builder_add(builder, DPATTN_ALL_HEADS, &keys, &values, NULL, &cancel, &err));
    OK(dpattn_builder_add(shard, DPATTN_ALL_HEADS, &keys, &values, NULL, NULL, &err));
    dpattn_diagnostics counts = diagnostics_of(shard);
    CHECK(counts.rows == HEADS * ROWS && counts.keys_clipped == 1 && counts.rows_zeroed == 1 &&
          counts.values_clipped == 1);

    bytes partial = export_of(shard);
    OK(dpattn_builder_import_secret(partial.data, partial.size, &imported, &err));
    OK(dpattn_builder_merge(builder, imported, &err));
    bytes again = export_of(builder);
    CHECK(same_rows(partial, again));
    FAILS(DPATTN_INVALID_ARGUMENT, "from: it holds rows of a partial", dpattn_builder_merge(builder, shard, &err));
    free(again.data);
    free(partial.data);

    FAILS(DPATTN_CANCELLED, "", dpattn_builder_release(builder, &budget, &cancel, &none, &err));
    CHECK(none == 0);
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_release(builder, &budget, NULL, &none, &err));

    dpattn_info info = info_of(release);
    CHECK(info.mechanism == DPATTN_CODEBOOK && info.cells == CELLS && info.features == CELLS && info.heads == HEADS);
    CHECK(info.key_bound == 2 && info.value_bound == 1.5 && info.query_bound == 0 && info.scale == 3 && info.mu > 0);
    CHECK(info.degree == 0 && info.polynomial_error == 0 && info.range == 0 && info.leaves == 0);
    CHECK(info.state_bytes == HEADS * CELLS * (VALUE_DIM + 1) * 8 && info.state_bytes == plan.state_bytes);
    CHECK(info.save_bytes == plan.release_bytes && plan.features == CELLS && plan.mu == info.mu);

    /* Attention over the cells: noise and rounding are far below what is allowed here. */
    for (int c = 0; c < VALUE_DIM; c++) /* the two clipped rows, as the library has them */
        v[2 * VALUE_DIM + c] *= 1.5 / sqrt(81 + v[2 * VALUE_DIM + 1] * v[2 * VALUE_DIM + 1] +
                                           v[2 * VALUE_DIM + 2] * v[2 * VALUE_DIM + 2]);
    double length = sqrt(logit(1, k, k));
    for (int c = 0; c < KEY_DIM; c++)
        k[c] *= 2 / length;
    sums s = exact_sums(params.codebook, k, v);
    double out[HEADS * QUERIES * VALUE_DIM], lse[HEADS * QUERIES], std[HEADS * QUERIES * VALUE_DIM],
        out2[HEADS * QUERIES * VALUE_DIM];
    dpattn_tensor queries = cube(q, DPATTN_F64, HEADS, QUERIES, KEY_DIM),
                  o = cube(out, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor l = cube(lse, DPATTN_F64, HEADS, QUERIES, 1), e = cube(std, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor o2 = cube(out2, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    uint64_t clipped = 9;
    OK(dpattn_release_attend(release, &queries, &o, &l, &e, &clipped, &err));
    CHECK(clipped == 0);
    for (int h = 0; h < HEADS; h++)
        for (int i = h * QUERIES; i < (h + 1) * QUERIES; i++) {
            double sum = 0, exact[VALUE_DIM] = { 0 };
            for (int m = 0; m < CELLS; m++) {
                double weight = exp(logit(3, q + i * KEY_DIM, params.codebook + (h * CELLS + m) * KEY_DIM));
                sum += weight * s.mass[h][m];
                for (int c = 0; c < VALUE_DIM; c++)
                    exact[c] += weight * s.values[h][m][c];
            }
            for (int c = 0; c < VALUE_DIM; c++) {
                int at = i * VALUE_DIM + c;
                CHECK(fabs(out[at] - exact[c] / sum) < 2e-3 && std[at] > 0 && std[at] < 2e-3);
            }
            CHECK(fabs(lse[i] - log(sum)) < 2e-3);
        }

    /* One head alone gives the same bits. */
    for (int32_t h = 0; h < HEADS; h++) {
        dpattn_tensor qh = matrix(q + h * QUERIES * KEY_DIM, DPATTN_F64, QUERIES, KEY_DIM);
        dpattn_tensor oh = matrix(out2 + h * QUERIES * VALUE_DIM, DPATTN_F64, QUERIES, VALUE_DIM);
        OK(dpattn_release_attend_head(release, h, &qh, &oh, NULL, NULL, NULL, &err));
    }
    CHECK(memcmp(out, out2, sizeof out) == 0);

    bytes file = save_of(release);
    CHECK(file.size == info.save_bytes);
    OK(dpattn_release_load(file.data, file.size, &loaded, &err));
    dirty(out2, sizeof out2);
    OK(dpattn_release_attend(loaded, &queries, &o2, NULL, NULL, NULL, &err));
    CHECK(memcmp(out, out2, sizeof out) == 0);
    file.data[file.size / 2] ^= 1;
    FAILS(DPATTN_CORRUPT, "checksum", dpattn_release_load(file.data, file.size, &none, &err));
    free(file.data);

    /* The state: a column of masses in units of lambda, sums of values on the grid. */
    int64_t state[HEADS * CELLS * (VALUE_DIM + 1)];
    size_t needed = 0;
    OK(dpattn_release_state(release, state, sizeof state / 8, &needed, &err));
    CHECK(needed * 8 == info.state_bytes);
    double unit = (double)state[VALUE_DIM] / s.mass[0][0];
    for (int m = 0; m < HEADS * CELLS; m++)
        CHECK(fabs((double)state[m * (VALUE_DIM + 1) + VALUE_DIM] - unit * s.mass[m / CELLS][m % CELLS]) < unit / 10);

    char *json = text_of(dpattn_release_certificate, release);
    CHECK(strstr(json, "\"mechanism\": \"codebook\"") != NULL && strstr(json, "\"sha256\"") != NULL &&
          strstr(json, "\"cells\": 8") != NULL);
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

/* Softmax over what dpattn_release_kv gives is what dpattn_release_attend answers, with little
 * noise and with much, where masses meet their floor and values their bound. */
TEST(codebook_kv_is_attend)
{
    static const double epsilons[] = { 1e6, 1, 0.01 };
    int floored = 0, projected = 0;
    for (size_t n = 0; n < sizeof epsilons / sizeof *epsilons; n++) {
        dpattn_params params = codebook_params(HEADS);
        dpattn_budget budget = { sizeof budget, 0, epsilons[n], 1e-6 };
        params.scale = 5;
        dpattn_release release = release_of(&params, ROWS, budget);
        double keys[HEADS * CELLS * KEY_DIM], values[HEADS * CELLS * VALUE_DIM], bias[HEADS * CELLS];
        double *queries = draw_many(4, HEADS * QUERIES * KEY_DIM), out[HEADS * QUERIES * VALUE_DIM];
        double lse[HEADS * QUERIES];
        dpattn_tensor k = cube(keys, DPATTN_F64, HEADS, CELLS, KEY_DIM);
        dpattn_tensor v = cube(values, DPATTN_F64, HEADS, CELLS, VALUE_DIM);
        dpattn_tensor b = matrix(bias, DPATTN_F64, HEADS, CELLS);
        dpattn_tensor q = cube(queries, DPATTN_F64, HEADS, QUERIES, KEY_DIM);
        dpattn_tensor o = cube(out, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
        dpattn_tensor l = cube(lse, DPATTN_F64, HEADS, QUERIES, 1);
        OK(dpattn_release_kv(release, &k, &v, &b, &err));
        OK(dpattn_release_attend(release, &q, &o, &l, NULL, NULL, &err));
        double worst = 0;
        for (int i = 0; i < HEADS * QUERIES; i++) {
            int h = i / QUERIES;
            double sum = 0, want[VALUE_DIM] = { 0 };
            for (int m = h * CELLS; m < (h + 1) * CELLS; m++) {
                double weight = exp(logit(5, queries + i * KEY_DIM, keys + m * KEY_DIM) + bias[m]);
                sum += weight;
                for (int c = 0; c < VALUE_DIM; c++)
                    want[c] += weight * values[m * VALUE_DIM + c];
            }
            worst = fmax(worst, fabs(lse[i] - log(sum)));
            for (int c = 0; c < VALUE_DIM; c++)
                worst = fmax(worst, fabs(out[i * VALUE_DIM + c] - want[c] / sum));
        }
        CHECK(worst < 1e-5);
        /* And both are what the noisy integers say. */
        int64_t state[HEADS * CELLS * (VALUE_DIM + 1)];
        size_t needed;
        OK(dpattn_release_state(release, state, sizeof state / 8, &needed, &err));
        char *json = text_of(dpattn_release_certificate, release);
        double sigma = number_after(json, "\"sigma\": "), lambda = number_after(json, "\"lambda\": ");
        CHECK(sigma > 0 && fabs(lambda - 1022 * info_of(release).lambda / 1.5) < 1e-6);
        free(json);
        for (int m = 0; m < HEADS * CELLS; m++) {
            const int64_t *cell = state + m * (VALUE_DIM + 1);
            double squares = 0, mass = fmax((double)cell[VALUE_DIM], sigma) / lambda;
            for (int c = 0; c < VALUE_DIM; c++)
                squares += values[m * VALUE_DIM + c] * values[m * VALUE_DIM + c];
            floored += mass * lambda == sigma;
            projected += squares > 1.5 * 1.5 * (1 - 1e-12);
            CHECK(fabs(bias[m] - log(mass)) < 1e-12 && squares <= 1.5 * 1.5 * (1 + 1e-12));
            if (squares < 1.5 * 1.5 * (1 - 1e-12))
                for (int c = 0; c < VALUE_DIM; c++)
                    CHECK(fabs(values[m * VALUE_DIM + c] - (double)cell[c] * 1.5 / 1022 / mass) < 1e-12);
            CHECK(distance(keys + m * KEY_DIM, params.codebook + m * KEY_DIM) < 1e-6);
        }
        free(queries);
        OK(dpattn_release_free(release, &err));
    }
    CHECK(floored > 0 && projected > 0); /* of 32 cells with far more noise than rows */
}

/* The keys of one head in two axes or three; all three arrays in one record a cell. */
TEST(codebook_kv_views)
{
    enum { RECORD = KEY_DIM + VALUE_DIM + 1 };
    dpattn_params params = codebook_params(1);
    dpattn_release release = release_of(&params, ROWS, typical_budget());
    float keys[CELLS * KEY_DIM], values[CELLS * VALUE_DIM], bias[CELLS], records[CELLS * RECORD];
    dpattn_tensor k = matrix(keys, DPATTN_F32, CELLS, KEY_DIM), v = cube(values, DPATTN_F32, 1, CELLS, VALUE_DIM);
    dpattn_tensor b = matrix(bias, DPATTN_F32, 1, CELLS);
    OK(dpattn_release_kv(release, &k, &v, &b, &err));
    dpattn_tensor rk = matrix(records, DPATTN_F32, CELLS, KEY_DIM);
    dpattn_tensor rv = matrix(records + KEY_DIM, DPATTN_F32, CELLS, VALUE_DIM);
    dpattn_tensor rb = matrix(records + KEY_DIM + VALUE_DIM, DPATTN_F32, 1, CELLS);
    rk.strides[0] = rv.strides[0] = rb.strides[1] = RECORD * sizeof(float);
    OK(dpattn_release_kv(release, &rk, &rv, &rb, &err));
    for (int m = 0; m < CELLS; m++) {
        const float *record = records + m * RECORD;
        CHECK(memcmp(record, keys + m * KEY_DIM, KEY_DIM * sizeof(float)) == 0);
        CHECK(memcmp(record + KEY_DIM, values + m * VALUE_DIM, VALUE_DIM * sizeof(float)) == 0);
        CHECK(memcmp(record + KEY_DIM + VALUE_DIM, bias + m, sizeof(float)) == 0);
    }

    /* Outputs that overlap each other are refused, and stay as they were. */
    float memory[2 * CELLS * (KEY_DIM + VALUE_DIM + 1)];
    dirty(memory, sizeof memory);
    k.data = v.data = memory;
    FAILS(DPATTN_INVALID_ARGUMENT, "keys and values overlap", dpattn_release_kv(release, &k, &v, &b, &err));
    v.data = memory + CELLS * KEY_DIM - 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "keys and values overlap", dpattn_release_kv(release, &k, &v, &b, &err));
    v.data = memory + CELLS * KEY_DIM;
    b.data = memory + 3;
    FAILS(DPATTN_INVALID_ARGUMENT, "keys and bias overlap", dpattn_release_kv(release, &k, &v, &b, &err));
    b.data = memory + CELLS * (KEY_DIM + VALUE_DIM) - 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "values and bias overlap", dpattn_release_kv(release, &k, &v, &b, &err));
    CHECK(untouched(memory, sizeof memory));
    b.data = memory + CELLS * (KEY_DIM + VALUE_DIM);
    OK(dpattn_release_kv(release, &k, &v, &b, &err));
    OK(dpattn_release_free(release, &err));
}

TEST(codebook_kv_of_others)
{
    dpattn_params moment = typical_params(), trees = typical_params();
    trees.mechanism = DPATTN_DPTREE;
    trees.key_bound = trees.value_bound = trees.query_bound = 0;
    trees.range = trees.value_range = 1;
    trees.leaves = trees.copies = 1;
    float memory[3][CELLS * KEY_DIM];
    dirty(memory, sizeof memory);
    dpattn_tensor k = matrix(memory[0], DPATTN_F32, CELLS, KEY_DIM);
    dpattn_tensor v = matrix(memory[1], DPATTN_F32, CELLS, VALUE_DIM);
    dpattn_tensor b = matrix(memory[2], DPATTN_F32, 1, CELLS);
    for (int i = 0; i < 2; i++) {
        dpattn_release release = release_of(i ? &trees : &moment, 10, typical_budget());
        FAILS(DPATTN_UNSUPPORTED, "codebook has one", dpattn_release_kv(release, &k, &v, &b, &err));
        CHECK(info_of(release).cells == 0);
        OK(dpattn_release_free(release, &err));
        FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_kv(release, &k, &v, &b, &err));
    }
    FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_kv(0, &k, &v, &b, &err));
    CHECK(untouched(memory, sizeof memory));
}

TEST(codebook_params)
{
    dpattn_builder builder;
    dpattn_plan_result result;
    dpattn_budget budget = typical_budget();
    dirty(&builder, sizeof builder);
    dirty(&result, sizeof result);
    result.struct_size = sizeof result;
    double *centroids = draw_many(31, 2 * CELLS * KEY_DIM), weights[2] = { 1, 1 }, center[2 * KEY_DIM] = { 0 };
#define REFUSES(status, text, change)                                             \
    do {                                                                          \
        dpattn_params params = codebook_params(2);                                \
        change;                                                                   \
        FAILS(status, text, dpattn_builder_create(&params, &builder, &err));      \
        FAILS(status, text, dpattn_plan(&params, 10, &budget, 0, &result, &err)); \
    } while (0)
#define INVALID(field, value) REFUSES(DPATTN_INVALID_ARGUMENT, "params." #field, params.field = value)
    /* Required, and in their ranges. */
    INVALID(codebook, NULL);
    INVALID(cells, 0);
    INVALID(cells, 65537);
    INVALID(cells, UINT32_MAX);
    INVALID(adjacency, 0);
    INVALID(reserved, 1);
    INVALID(reserved_2, 1);
    static const double never[] = { 0, -1, (double)NAN, (double)INFINITY, 5e-324, 1e308 };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        INVALID(key_bound, never[i]);
        INVALID(value_bound, never[i]);
        if (never[i] != 0) {
            INVALID(scale, never[i]);
            INVALID(lambda, never[i]);
            INVALID(owner_bound, never[i]);
        }
    }
    INVALID(owner_bound, 1); /* above owner_rows, which is 0 */
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.owner_bound", params.owner_rows = 4; params.owner_bound = 4.5);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.owner_bound", params.owner_rows = 4; params.owner_bound = 1.0 / 2048);
    weights[1] = -1;
    INVALID(head_weights, weights);
    static const double odd[] = { (double)NAN, (double)INFINITY, -(double)INFINITY, 1e308 };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        centroids[2 * CELLS * KEY_DIM - 1] = odd[i];
        INVALID(codebook, centroids);
    }

    /* What others read. */
    INVALID(query_bound, 1);
    INVALID(degree, 2);
    INVALID(center, center);
    INVALID(polynomial, DPATTN_TAYLOR);
    INVALID(rotation, DPATTN_ROTATION_NONE);
    INVALID(range, 1);
    INVALID(value_range, 1);
    INVALID(relative_error, 0.1);
    INVALID(failure_probability, 0.1);
    INVALID(copy_factor, 1);
    INVALID(rows, 1);
    INVALID(leaves, 1);
    INVALID(copies, 1);
    INVALID(trees, DPATTN_TREES_NONE);

    /* A codebook that cannot be is refused before it is read: its pointer is to 64 numbers. */
    REFUSES(DPATTN_OUT_OF_MEMORY, "bytes", params.heads = params.key_dim = params.cells = 65536);
    REFUSES(DPATTN_OUT_OF_MEMORY, "bytes", params.heads = params.key_dim = params.value_dim = params.cells = 65536);
    REFUSES(DPATTN_OUT_OF_MEMORY, "bytes", params.value_dim = params.cells = 65536);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.", params.heads = params.key_dim = params.cells = UINT32_MAX);
    REFUSES(DPATTN_INVALID_ARGUMENT, "params.cells",
            params.heads = params.key_dim = 65536; params.cells = UINT32_MAX);

    /* The others read none of this. */
    dpattn_params params = typical_params();
    params.cells = CELLS;
    FAILS(DPATTN_INVALID_ARGUMENT, "params.cells", dpattn_builder_create(&params, &builder, &err));
    params.codebook = centroids;
    FAILS(DPATTN_INVALID_ARGUMENT, "params.c", dpattn_builder_create(&params, &builder, &err));
    params.cells = 0; /* a pointer that reaches over nothing */
    FAILS(DPATTN_INVALID_ARGUMENT, "params.codebook", dpattn_builder_create(&params, &builder, &err));
    CHECK(untouched(&builder, sizeof builder) && untouched((char *)&result + 4, sizeof result - 4));
    free(centroids);
}

/* The library keeps no pointer to the codebook. */
TEST(codebook_is_copied)
{
    dpattn_params params = codebook_params(1);
    double *centroids = draw_many(31, CELLS * KEY_DIM);
    dpattn_builder kept = builder_with_rows(&params, ROWS), builder = 0;
    params.codebook = centroids;
    OK(dpattn_builder_create(&params, &builder, &err));
    for (int i = 0; i < CELLS * KEY_DIM; i++)
        centroids[i] = 0;
    OK(dpattn_builder_merge(builder, kept, &err)); /* the same parameters */
    OK(dpattn_builder_free(kept, &err));

    /* Another codebook is another release. */
    kept = builder_with_rows(&params, ROWS);
    FAILS(DPATTN_MISMATCH, "", dpattn_builder_merge(builder, kept, &err));
    OK(dpattn_builder_free(kept, &err));
    OK(dpattn_builder_free(builder, &err));
    free(centroids);
}

TEST(codebook_owners)
{
    enum { OWNERS = 20 };
    dpattn_params params = codebook_params(1);
    double *k = draw_many(1, ROWS * KEY_DIM), *v = draw_many(2, ROWS * VALUE_DIM);
    uint64_t owners[ROWS];
    for (int i = 0; i < ROWS; i++)
        owners[i] = (uint64_t)(i % OWNERS);
    dpattn_tensor keys = matrix(k, DPATTN_F64, ROWS, KEY_DIM), values = matrix(v, DPATTN_F64, ROWS, VALUE_DIM);
    params.owner_rows = 6;
    for (int bounded = 0; bounded < 2; bounded++) {
        dpattn_builder builder = 0;
        dpattn_release release = 0;
        dpattn_budget budget = typical_budget();
        params.owner_bound = bounded ? 1.5 : 0;
        OK(dpattn_builder_create(&params, &builder, &err));
        FAILS(DPATTN_INVALID_ARGUMENT, "owners", dpattn_builder_add(builder, 0, &keys, &values, NULL, NULL, &err));
        OK(dpattn_builder_add(builder, 0, &keys, &values, owners, NULL, &err));
        dpattn_diagnostics counts = diagnostics_of(builder);
        CHECK(counts.owners == OWNERS && counts.rows_dropped == ROWS - 6 * OWNERS);
        CHECK(bounded ? counts.owners_clipped > 0 && counts.owners_clipped <= OWNERS : counts.owners_clipped == 0);
        OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
        dpattn_info info = info_of(release);
        CHECK(info.owner_rows == 6 && info.owner_bound == params.owner_bound);
        OK(dpattn_release_free(release, &err));
        OK(dpattn_builder_free(builder, &err));
    }
    free(k);
    free(v);
}

/* Through a ledger: once more under the same label are the same bytes. */
TEST(codebook_ledger)
{
    char path[4096];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/dpattn-codebook-%ld.ledger", folder ? folder : "/tmp", (long)getpid());
    unlink(path);
    dpattn_params params = codebook_params(HEADS);
    dpattn_allowance allowance = { sizeof allowance, 0, 2, 1e-5, 0, 0, 0 };
    dpattn_budget budget = typical_budget(), all = { sizeof all, 0, 3, 1e-6 };
    dpattn_ledger ledger = 0;
    dpattn_release release = 0, again = 0, loaded = 0;
    dpattn_builder builder = builder_with_rows(&params, 20), other = builder_with_rows(&params, 30);
    OK(dpattn_ledger_create(path, &allowance, &ledger, &err));
    FAILS(DPATTN_OVERSPENT, "", dpattn_ledger_release(ledger, "first", builder, &all, NULL, &release, &err));
    OK(dpattn_ledger_release(ledger, "first", builder, &budget, NULL, &release, &err));
    OK(dpattn_ledger_release(ledger, "first", other, &budget, NULL, &again, &err));
    OK(dpattn_ledger_load(ledger, "first", &loaded, &err));
    bytes a = save_of(release), b = save_of(again), c = save_of(loaded);
    CHECK(same_bytes(a, b) && same_bytes(a, c));
    free(a.data);
    free(b.data);
    free(c.data);

    /* The label stands for its codebook too. */
    double *centroids = draw_many(99, HEADS * CELLS * KEY_DIM);
    params.codebook = centroids;
    dpattn_builder different = builder_with_rows(&params, 20);
    FAILS(DPATTN_MISMATCH, "", dpattn_ledger_release(ledger, "first", different, &budget, NULL, &again, &err));
    free(centroids);
    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_builder_free(other, &err));
    OK(dpattn_builder_free(different, &err));
    OK(dpattn_release_free(release, &err));
    OK(dpattn_release_free(again, &err));
    OK(dpattn_release_free(loaded, &err));
    OK(dpattn_ledger_close(ledger, &err));
    unlink(path);
}
