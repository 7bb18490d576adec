/* The whole way: rows in, a release out, answers that agree with exact attention when the budget is
 * vast, and the same answers from a saved and loaded release. */
#include "abi.h"

enum { HEADS = 2, ROWS = 300, QUERIES = 20 };

typedef struct data {
    double *keys, *values, *queries; /* [HEADS, .., dim] */
} data;

/* Keys and queries within bound 1, so that nothing is clipped. */
static data drawn(void)
{
    data d = { draw_many(11, HEADS * ROWS * KEY_DIM), draw_many(12, HEADS * ROWS * VALUE_DIM),
               draw_many(13, HEADS * QUERIES * KEY_DIM) };
    for (int i = 0; i < HEADS * ROWS * KEY_DIM; i++)
        d.keys[i] /= 2;
    for (int i = 0; i < HEADS * ROWS * VALUE_DIM; i++)
        d.values[i] /= 2;
    for (int i = 0; i < HEADS * QUERIES * KEY_DIM; i++)
        d.queries[i] /= 2;
    return d;
}

static void free_data(data d)
{
    free(d.keys);
    free(d.values);
    free(d.queries);
}

static dpattn_params whole_params(void)
{
    dpattn_params params = typical_params();
    params.heads = HEADS;
    params.degree = 4;
    params.scale = 1;
    return params;
}

/* What the header says out and lse approximate. */
static void exact_attention(const data *d, int h, int q, double *out, double *lse)
{
    double sum = 0;
    memset(out, 0, VALUE_DIM * sizeof *out);
    for (int j = 0; j < ROWS; j++) {
        double logit = 0;
        for (int c = 0; c < KEY_DIM; c++)
            logit += d->queries[(h * QUERIES + q) * KEY_DIM + c] * d->keys[(h * ROWS + j) * KEY_DIM + c];
        double weight = exp(logit);
        sum += weight;
        for (int c = 0; c < VALUE_DIM; c++)
            out[c] += weight * d->values[(h * ROWS + j) * VALUE_DIM + c];
    }
    for (int c = 0; c < VALUE_DIM; c++)
        out[c] /= sum;
    *lse = log(sum);
}

static dpattn_release whole_release(const dpattn_params *params, const data *d, dpattn_budget budget)
{
    dpattn_tensor k = cube(d->keys, DPATTN_F64, HEADS, ROWS, KEY_DIM),
                  v = cube(d->values, DPATTN_F64, HEADS, ROWS, VALUE_DIM);
    dpattn_builder builder = 0;
    dpattn_release release = 0;
    OK(dpattn_builder_create(params, &builder, &err));
    OK(dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k, &v, NULL, NULL, &err));
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k, &v, NULL, NULL, &err));
    OK(dpattn_builder_free(builder, &err));
    return release;
}

typedef struct answer {
    double out[HEADS * QUERIES * VALUE_DIM], lse[HEADS * QUERIES], stddev[HEADS * QUERIES * VALUE_DIM];
} answer;

static answer ask(dpattn_release release, const data *d)
{
    answer a;
    uint64_t clipped = 99;
    dpattn_tensor q = cube(d->queries, DPATTN_F64, HEADS, QUERIES, KEY_DIM),
                  o = cube(a.out, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor l = cube(a.lse, DPATTN_F64, HEADS, QUERIES, 1),
                  s = cube(a.stddev, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, &l, &s, &clipped, &err));
    CHECK(clipped == 0);
    return a;
}

TEST(attention_is_approximated)
{
    dpattn_params params = whole_params();
    data d = drawn();
    dpattn_release release = whole_release(&params, &d, vast_budget());
    answer a = ask(release, &d);
    double out[VALUE_DIM], lse, worst_out = 0, worst_lse = 0;
    for (int h = 0; h < HEADS; h++)
        for (int q = 0; q < QUERIES; q++) {
            int at = h * QUERIES + q;
            exact_attention(&d, h, q, out, &lse);
            worst_lse = fmax(worst_lse, fabs(a.lse[at] - lse));
            for (int c = 0; c < VALUE_DIM; c++) {
                worst_out = fmax(worst_out, fabs(a.out[at * VALUE_DIM + c] - out[c]));
                CHECK(a.stddev[at * VALUE_DIM + c] >= 0 && a.stddev[at * VALUE_DIM + c] < 1e-3);
            }
        }
    CHECK(worst_out < 2e-3);
    CHECK(worst_lse < 2e-3);

    /* Every output alone gives the same numbers. */
    answer b;
    dpattn_tensor q = cube(d.queries, DPATTN_F64, HEADS, QUERIES, KEY_DIM),
                  o = cube(b.out, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, NULL, NULL, NULL, &err));
    CHECK(memcmp(a.out, b.out, sizeof a.out) == 0);

    /* A centre changes the integers but hardly the answers: softmax does not depend on it, and it
     * is added back to lse. */
    double center[HEADS * KEY_DIM];
    for (int i = 0; i < HEADS * KEY_DIM; i++)
        center[i] = 0.01 * i;
    params.center = center;
    params.key_bound = 1.2;
    dpattn_release centred = whole_release(&params, &d, vast_budget());
    b = ask(centred, &d);
    for (int i = 0; i < HEADS * QUERIES * VALUE_DIM; i++)
        CHECK(fabs(a.out[i] - b.out[i]) < 4e-3);
    for (int i = 0; i < HEADS * QUERIES; i++)
        CHECK(fabs(a.lse[i] - b.lse[i]) < 4e-3);
    OK(dpattn_release_free(centred, &err));
    OK(dpattn_release_free(release, &err));
    free_data(d);
}

/* Two releases of the same rows differ: the noise is fresh. Its size is the predicted one, roughly
 * (core tests measure it closely). */
TEST(noise_is_there)
{
    dpattn_params params = whole_params();
    data d = drawn();
    dpattn_budget budget = { sizeof budget, 0, 50, 1e-6 };
    dpattn_release exact = whole_release(&params, &d, vast_budget());
    answer want = ask(exact, &d);
    double squares = 0;
    enum { RELEASES = 8 };
    answer got[RELEASES];
    for (int i = 0; i < RELEASES; i++) {
        dpattn_release release = whole_release(&params, &d, budget);
        got[i] = ask(release, &d);
        for (int c = 0; c < HEADS * QUERIES * VALUE_DIM; c++) {
            double deviations = (got[i].out[c] - want.out[c]) / got[i].stddev[c];
            squares += deviations * deviations;
        }
        OK(dpattn_release_free(release, &err));
    }
    CHECK(memcmp(&got[0], &got[1], sizeof got[0]) != 0);
    double ratio = sqrt(squares / (RELEASES * HEADS * QUERIES * VALUE_DIM));
    CHECK(ratio > 0.5 && ratio < 2);
    OK(dpattn_release_free(exact, &err));
    free_data(d);
}

TEST(save_and_load)
{
    dpattn_params params = whole_params();
    data d = drawn();
    dpattn_release release = whole_release(&params, &d, typical_budget()), loaded = 0;
    bytes file = save_of(release);
    OK(dpattn_release_load(file.data, file.size, &loaded, &err));
    answer a = ask(release, &d), b = ask(loaded, &d);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    bytes again = save_of(loaded);
    CHECK(same_bytes(file, again));

    dpattn_info x = { .struct_size = sizeof x }, y = { .struct_size = sizeof y };
    OK(dpattn_release_info(release, &x, &err));
    OK(dpattn_release_info(loaded, &y, &err));
    CHECK(memcmp(&x, &y, sizeof x) == 0);
    CHECK(x.save_bytes == file.size);
    OK(dpattn_release_free(release, &err));
    OK(dpattn_release_free(loaded, &err));
    free(file.data);
    free(again.data);
    free_data(d);
}

/* A builder from a partial has its release's info, less what only a release has. */
TEST(builder_info)
{
    dpattn_params all[2] = { whole_params(), typical_params() };
    all[1].mechanism = DPATTN_DPTREE;
    all[1].key_bound = all[1].value_bound = all[1].query_bound = all[1].scale = 0;
    all[1].range = all[1].value_range = 1;
    all[1].rows = all[1].copies = 16;
    for (int i = 0; i < 2; i++) {
        dpattn_builder template = 0, builder = 0;
        OK(dpattn_builder_create(&all[i], &template, &err));
        bytes partial = export_of(template);
        OK(dpattn_builder_import_secret(partial.data, partial.size, &builder, &err));
        dpattn_info early = { .struct_size = sizeof early }, again = early;
        OK(dpattn_builder_info(builder, &early, &err));

        dpattn_release release = 0;
        dpattn_budget budget = typical_budget();
        OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
        OK(dpattn_builder_info(builder, &again, &err));
        CHECK(memcmp(&early, &again, sizeof early) == 0);

        dpattn_info late = info_of(release);
        CHECK(early.epsilon == 0 && early.delta == 0 && early.mu == 0 && early.save_bytes == 0);
        CHECK(early.state_bytes == late.state_bytes && early.mechanism == late.mechanism);
        CHECK(memcmp(&early.heads, &late.heads, offsetof(dpattn_info, scale) - offsetof(dpattn_info, heads)) == 0);
        CHECK(memcmp(&early.owner_bound, &late.owner_bound, sizeof late - offsetof(dpattn_info, owner_bound)) == 0);
        OK(dpattn_release_free(release, &err));
        OK(dpattn_builder_free(builder, &err));
        OK(dpattn_builder_free(template, &err));
        free(partial.data);
    }
}

TEST(info_and_state)
{
    dpattn_params params = whole_params();
    data d = drawn();
    dpattn_budget budget = typical_budget();
    dpattn_release release = whole_release(&params, &d, budget), other = whole_release(&params, &d, budget);
    dpattn_info info = info_of(release), twin = info_of(other);
    CHECK(info.heads == HEADS && info.key_dim == KEY_DIM && info.value_dim == VALUE_DIM && info.degree == 4);
    CHECK(info.mechanism == DPATTN_GAUSSIAN && info.polynomial == DPATTN_MINIMAX &&
          info.adjacency == DPATTN_ADD_REMOVE);
    CHECK(info.owner_rows == 0 && info.rotation == DPATTN_ROTATION_HADAMARD);
    CHECK(info.key_bound == 1 && info.value_bound == 1 && info.query_bound == 1 && info.scale == 1);
    CHECK(fabs(info.lambda - pow(VALUE_DIM, -0.25)) < 1e-3); /* on the integer grid */
    CHECK(info.logit_bound == 1 && info.polynomial_error > 0 && info.polynomial_error < 1e-3);
    CHECK(info.epsilon == budget.epsilon && info.delta == budget.delta && info.mu > 0);
    CHECK(info.features == 70); /* C(4 + 4, 4) */
    CHECK(info.state_bytes == HEADS * 70 * (VALUE_DIM + 1) * sizeof(int64_t));
    CHECK(memcmp(info.id, twin.id, sizeof info.id) != 0);

    size_t needed = 0;
    int64_t *state = malloc(info.state_bytes), *other_state = malloc(info.state_bytes);
    OK(dpattn_release_state(release, state, info.state_bytes / sizeof *state, &needed, &err));
    CHECK(needed * sizeof *state == info.state_bytes);
    OK(dpattn_release_state(other, other_state, needed, &needed, &err));
    int different = 0;
    for (size_t i = 0; i < needed; i++)
        different += state[i] != other_state[i];
    CHECK(different > (int)needed - 5); /* sigma is in the thousands: equal integers are rare */
    free(state);
    free(other_state);
    OK(dpattn_release_free(release, &err));
    OK(dpattn_release_free(other, &err));
    free_data(d);
}

TEST(certificate)
{
    dpattn_params params = typical_params();
    dpattn_release release = release_of(&params, 10, typical_budget());
    char *json = text_of(dpattn_release_certificate, release);
    CHECK(json[0] == '{' && json[strlen(json) - 1] == '}');
    static const char *const facts[] = { "mechanism", "adjacency", "add_remove", "sensitivity",
                                         "sigma",     "epsilon",   "delta" };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        CHECK(strstr(json, facts[i]) != NULL);
    free(json);
    OK(dpattn_release_free(release, &err));
}

/* Queries that are too long are scaled and counted; those that are not finite give NaN and are
 * counted. */
TEST(queries_out_of_bounds)
{
    dpattn_params params = typical_params();
    params.query_bound = 1;
    dpattn_release release = release_of(&params, 50, vast_budget());
    double inf = (double)INFINITY, nan = (double)NAN;
    double queries[6][KEY_DIM] = { { 1, 0, 0, 0 },   { 5, 0, 0, 0 },    { nan, 0, 0, 0 },
                                   { 0, inf, 0, 0 }, { 0, 0, -inf, 1 }, { 0, 0, 0, 1 } };
    double out[6][VALUE_DIM], lse[6], stddev[6][VALUE_DIM];
    uint64_t clipped = 0;
    dpattn_tensor q = matrix(queries, DPATTN_F64, 6, KEY_DIM), o = matrix(out, DPATTN_F64, 6, VALUE_DIM);
    dpattn_tensor l = matrix(lse, DPATTN_F64, 6, 1), s = matrix(stddev, DPATTN_F64, 6, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, &l, &s, &clipped, &err));
    CHECK(clipped == 4);
    CHECK(memcmp(out[0], out[1], sizeof out[0]) == 0 && lse[0] == lse[1]);
    for (int i = 2; i < 5; i++) {
        CHECK(isnan(lse[i]));
        for (int c = 0; c < VALUE_DIM; c++)
            CHECK(isnan(out[i][c]) && isnan(stddev[i][c]));
    }
    CHECK(isfinite(lse[5]) && isfinite(out[5][0]) && isfinite(stddev[5][0]));
    OK(dpattn_release_free(release, &err));
}

/* No rows and no queries are fine. */
TEST(nothing)
{
    dpattn_params params = typical_params();
    dpattn_builder builder = 0;
    OK(dpattn_builder_create(&params, &builder, &err));
    dpattn_tensor k = matrix(NULL, DPATTN_F32, 0, KEY_DIM), v = matrix(NULL, DPATTN_F32, 0, VALUE_DIM);
    OK(dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err));
    dpattn_budget budget = typical_budget();
    dpattn_release release = 0;
    OK(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    uint64_t clipped = 9;
    dpattn_tensor q = matrix(NULL, DPATTN_F32, 0, KEY_DIM), o = matrix(NULL, DPATTN_F32, 0, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, NULL, NULL, &clipped, &err));
    CHECK(clipped == 0);
    double query[KEY_DIM] = { 0 }, out[VALUE_DIM];
    q = matrix(query, DPATTN_F64, 1, KEY_DIM);
    o = matrix(out, DPATTN_F64, 1, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, NULL, NULL, NULL, &err));
    for (int c = 0; c < VALUE_DIM; c++)
        CHECK(fabs(out[c]) <= 1.001); /* the ball of value_bound */
    OK(dpattn_release_free(release, &err));
    OK(dpattn_builder_free(builder, &err));
}
