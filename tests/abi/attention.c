/* dpattn_merge: two partial attentions become one. */
#include "abi.h"

enum { ROWS = 6 };

typedef struct part {
    double out[ROWS * VALUE_DIM], lse[ROWS];
} part;

static part drawn_part(uint64_t seed)
{
    part p;
    for (int i = 0; i < ROWS * VALUE_DIM; i++)
        p.out[i] = draw(&seed);
    for (int i = 0; i < ROWS; i++)
        p.lse[i] = 20 * draw(&seed);
    return p;
}

static part merged(const part *a, const part *b)
{
    part m;
    for (int i = 0; i < ROWS; i++) {
        double x = exp(a->lse[i]), y = exp(b->lse[i]);
        for (int c = 0; c < VALUE_DIM; c++)
            m.out[i * VALUE_DIM + c] = (x * a->out[i * VALUE_DIM + c] + y * b->out[i * VALUE_DIM + c]) / (x + y);
        m.lse[i] = log(x + y);
    }
    return m;
}

static double farthest(const part *a, const part *b)
{
    double worst = 0;
    for (int i = 0; i < ROWS * VALUE_DIM; i++)
        worst = fmax(worst, fabs(a->out[i] - b->out[i]));
    for (int i = 0; i < ROWS; i++)
        worst = fmax(worst, fabs(a->lse[i] - b->lse[i]));
    return worst;
}

static dpattn_tensor out_of(part *p) { return matrix(p->out, DPATTN_F64, ROWS, VALUE_DIM); }
static dpattn_tensor lse_of(part *p) { return matrix(p->lse, DPATTN_F64, ROWS, 1); }

static void merge(part *a, part *b, part *to)
{
    dpattn_tensor oa = out_of(a), la = lse_of(a), ob = out_of(b), lb = lse_of(b), o = out_of(to), l = lse_of(to);
    OK(dpattn_merge(&oa, &la, &ob, &lb, &o, &l, &err));
}

TEST(merge_attention)
{
    part a = drawn_part(61), b = drawn_part(62), to;
    const part want = merged(&a, &b);
    merge(&a, &b, &to);
    CHECK(farthest(&want, &to) < 1e-14);

    /* In place, over either part. */
    part a2 = a, b2 = b;
    merge(&a2, &b, &a2);
    merge(&a, &b2, &b2);
    CHECK(memcmp(&a2, &to, sizeof to) == 0);
    CHECK(memcmp(&b2, &to, sizeof to) == 0);

    /* Without lse. */
    part alone;
    dpattn_tensor oa = out_of(&a), la = lse_of(&a), ob = out_of(&b), lb = lse_of(&b), o = out_of(&alone);
    OK(dpattn_merge(&oa, &la, &ob, &lb, &o, NULL, &err));
    CHECK(memcmp(alone.out, to.out, sizeof to.out) == 0);

    /* As [2, ROWS / 2, ..]. */
    part cubes;
    oa = cube(a.out, DPATTN_F64, 2, ROWS / 2, VALUE_DIM);
    la = cube(a.lse, DPATTN_F64, 2, ROWS / 2, 1);
    ob = cube(b.out, DPATTN_F64, 2, ROWS / 2, VALUE_DIM);
    lb = cube(b.lse, DPATTN_F64, 2, ROWS / 2, 1);
    o = cube(cubes.out, DPATTN_F64, 2, ROWS / 2, VALUE_DIM);
    dpattn_tensor l = cube(cubes.lse, DPATTN_F64, 2, ROWS / 2, 1);
    OK(dpattn_merge(&oa, &la, &ob, &lb, &o, &l, &err));
    CHECK(memcmp(&cubes, &to, sizeof to) == 0);
}

TEST(merge_attention_extremes)
{
    part a = drawn_part(63), b = drawn_part(64), to;
    double inf = (double)INFINITY;
    a.lse[0] = -inf; /* a is empty */
    b.lse[1] = -inf; /* b is empty */
    a.lse[2] = b.lse[2] = -inf;
    a.lse[3] = b.lse[3] = 5000; /* e^5000 overflows; only the difference counts */
    a.lse[4] = b.lse[4] = -5000;
    a.out[0] = (double)NAN; /* an empty set's output counts for nothing */
    merge(&a, &b, &to);
    for (int c = 0; c < VALUE_DIM; c++) {
        CHECK(to.out[c] == b.out[c]);
        CHECK(to.out[VALUE_DIM + c] == a.out[VALUE_DIM + c]);
        CHECK(to.out[2 * VALUE_DIM + c] == 0);
        for (int i = 3; i < 5; i++) {
            int at = i * VALUE_DIM + c;
            CHECK(fabs(to.out[at] - (a.out[at] + b.out[at]) / 2) < 1e-15);
        }
    }
    CHECK(to.lse[0] == b.lse[0] && to.lse[1] == a.lse[1] && to.lse[2] == -inf);
    CHECK(fabs(to.lse[3] - 5000 - log(2)) < 1e-12 && fabs(to.lse[4] + 5000 - log(2)) < 1e-12);
}

/* A release and exact attention over public rows combine to attention over all rows. */
TEST(merge_private_with_public)
{
    enum { PRIVATE = 200, PUBLIC = 30 };
    dpattn_params params = typical_params();
    params.degree = 4;
    /* As in builder_with_rows. */
    double *keys = draw_many(1, PRIVATE * KEY_DIM), *values = draw_many(2, PRIVATE * VALUE_DIM);
    double query[KEY_DIM] = { 0.5, -0.25, 0.125, 0.5 };
    part private, public, all, want;
    memset(&public, 0, sizeof public);
    memset(&want, 0, sizeof want);
    dpattn_release release = release_of(&params, PRIVATE, vast_budget());
    dpattn_tensor q = matrix(query, DPATTN_F64, 1, KEY_DIM), o = matrix(private.out, DPATTN_F64, 1, VALUE_DIM),
                  l = matrix(private.lse, DPATTN_F64, 1, 1);
    OK(dpattn_release_attend(release, &q, &o, &l, NULL, NULL, &err));

    double sum[2] = { 0, 0 };
    uint64_t state = 65;
    for (int i = 0; i < PRIVATE + PUBLIC; i++) {
        double key[KEY_DIM], value[VALUE_DIM], key2 = 0, value2 = 0, logit = 0;
        for (int c = 0; c < KEY_DIM; c++)
            key[c] = i < PRIVATE ? keys[i * KEY_DIM + c] : draw(&state), key2 += key[c] * key[c];
        for (int c = 0; c < VALUE_DIM; c++)
            value[c] = i < PRIVATE ? values[i * VALUE_DIM + c] : draw(&state), value2 += value[c] * value[c];
        /* The private side scales long rows to the bounds of 1. */
        double key_scale = i < PRIVATE && key2 > 1 ? 1 / sqrt(key2) : 1,
               value_scale = i < PRIVATE && value2 > 1 ? 1 / sqrt(value2) : 1;
        for (int c = 0; c < KEY_DIM; c++)
            logit += query[c] * key[c] * key_scale / 2;
        sum[0] += exp(logit);
        sum[1] += i < PRIVATE ? 0 : exp(logit);
        for (int c = 0; c < VALUE_DIM; c++) {
            want.out[c] += exp(logit) * value[c] * value_scale;
            public.out[c] += i < PRIVATE ? 0 : exp(logit) * value[c];
        }
    }
    for (int c = 0; c < VALUE_DIM; c++) {
        want.out[c] /= sum[0];
        public.out[c] /= sum[1];
    }
    public.lse[0] = log(sum[1]);
    dpattn_tensor po = matrix(public.out, DPATTN_F64, 1, VALUE_DIM), pl = matrix(public.lse, DPATTN_F64, 1, 1);
    dpattn_tensor to = matrix(all.out, DPATTN_F64, 1, VALUE_DIM), tl = matrix(all.lse, DPATTN_F64, 1, 1);
    OK(dpattn_merge(&o, &l, &po, &pl, &to, &tl, &err));
    CHECK(fabs(all.lse[0] - log(sum[0])) < 2e-3);
    for (int c = 0; c < VALUE_DIM; c++)
        CHECK(fabs(all.out[c] - want.out[c]) < 2e-3);
    free(keys);
    free(values);
    OK(dpattn_release_free(release, &err));
}

TEST(merge_attention_refuses)
{
    enum { TENSORS = 6 };
    static const char *const names[TENSORS] = { "out_a", "lse_a", "out_b", "lse_b", "out", "lse" };
    part a = drawn_part(66), b = drawn_part(67), to;
    dirty(&to, sizeof to);
    for (int broken = 0; broken < TENSORS; broken++)
        for (int how = 0; how < 7; how++) {
            dpattn_tensor t[TENSORS] = { out_of(&a), lse_of(&a), out_of(&b), lse_of(&b), out_of(&to), lse_of(&to) };
            dpattn_tensor *x = &t[broken];
            switch (how) {
            case 0: x->dtype = 0; break;
            case 1: x->ndim = 4; break;
            case 2: x->shape[0] = -1; break;
            case 3: x->shape[1]++; break;
            case 4: x->data = NULL; break;
            case 5: x->strides[0] = INT64_MAX; break;
            case 6: x->shape[0]--; break;
            }
            /* Shapes are compared with out's, so a wrong shape of out shows in another tensor's
             * name. */
            const char *name = broken == 4 && (how == 3 || how == 6) ? "out" : names[broken];
            FAILS(DPATTN_INVALID_ARGUMENT, name, dpattn_merge(&t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &err));
        }
    CHECK(untouched(&to, sizeof to));
}
