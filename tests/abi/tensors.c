/* Tensors of every dtype and layout give the same bits; malformed ones are refused by name. */
#include "abi.h"

enum { HEADS = 3, ROWS = 40, QUERIES = 9 };

static const int32_t dtypes[] = { DPATTN_F32, DPATTN_F64, DPATTN_F16, DPATTN_BF16 };

/* How the elements of a dense [heads, rows, columns] array lie in memory. */
enum layout {
    DENSE, ROWS_REVERSED, COLUMNS_REVERSED, HEADS_REVERSED, TRANSPOSED, ROWS_OUTERMOST, PADDED, INTERLEAVED, UNALIGNED,
    LAYOUTS
};

typedef struct placed {
    unsigned char *memory;
    size_t size;
    dpattn_tensor tensor;
} placed;

/* Room for a tensor of this shape in this layout; the memory between and around the elements is
 * dirty. */
static placed place(enum layout layout, int32_t dtype, int64_t heads, int64_t rows, int64_t columns)
{
    int64_t size = (int64_t)dtype_size(dtype);
    dpattn_tensor t = cube(NULL, dtype, heads, rows, columns);
    int64_t offset = 8;
    switch (layout) {
    case ROWS_REVERSED:
        offset += (rows - 1) * t.strides[1];
        t.strides[1] = -t.strides[1];
        break;
    case COLUMNS_REVERSED:
        offset += (columns - 1) * t.strides[2];
        t.strides[2] = -t.strides[2];
        break;
    case HEADS_REVERSED:
        offset += (heads - 1) * t.strides[0];
        t.strides[0] = -t.strides[0];
        break;
    case TRANSPOSED: /* [heads, columns, rows] in memory */
        t.strides[1] = size;
        t.strides[2] = rows * size;
        break;
    case ROWS_OUTERMOST: /* [rows, heads, columns] in memory */
        t.strides[0] = columns * size;
        t.strides[1] = heads * columns * size;
        break;
    case PADDED:
        t.strides[1] += 24;
        t.strides[0] = rows * t.strides[1] + 40;
        break;
    case INTERLEAVED: /* every third element */
        for (int a = 0; a < 3; a++)
            t.strides[a] *= 3;
        break;
    case UNALIGNED:
        offset += 1;
        t.strides[1] += 3;
        t.strides[0] = rows * t.strides[1] + 1;
        break;
    default:
        break;
    }
    placed p = { NULL, (size_t)(3 * heads * rows * (columns * size + 64) + 64), t };
    p.memory = malloc(p.size);
    dirty(p.memory, p.size);
    p.tensor.data = p.memory + offset;
    return p;
}

static unsigned char *element(const dpattn_tensor *t, int64_t h, int64_t i, int64_t j)
{
    return (unsigned char *)t->data + h * t->strides[0] + i * t->strides[1] + j * t->strides[2];
}

/* The same with numbers in it. */
static placed place_numbers(const double *dense, enum layout layout, int32_t dtype, int64_t heads, int64_t rows,
                            int64_t columns)
{
    placed p = place(layout, dtype, heads, rows, columns);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                put_element(element(&p.tensor, h, i, j), dtype, dense[(h * rows + i) * columns + j]);
    return p;
}

/* The 2-D view of one head. */
static dpattn_tensor head_of(const dpattn_tensor *t, int64_t h)
{
    dpattn_tensor flat = {
        element(t, h, 0, 0), t->dtype, 2, { t->shape[1], t->shape[2], -1 }, { t->strides[1], t->strides[2], -1 }
    };
    return flat;
}

/* The partial sums of rows given head by head (HEADS 2-D calls) or all at once. */
static bytes sums_of(const placed *keys, const placed *values, int head_by_head)
{
    dpattn_params params = typical_params();
    params.heads = HEADS;
    dpattn_builder builder = 0;
    OK(dpattn_builder_create(&params, &builder, &err));
    if (head_by_head) {
        for (int32_t h = HEADS - 1; h >= 0; h--) {
            dpattn_tensor k = head_of(&keys->tensor, h), v = head_of(&values->tensor, h);
            OK(dpattn_builder_add(builder, h, &k, &v, NULL, NULL, &err));
        }
    } else {
        OK(dpattn_builder_add(builder, DPATTN_ALL_HEADS, &keys->tensor, &values->tensor, NULL, NULL, &err));
    }
    bytes sums = export_of(builder);
    OK(dpattn_builder_free(builder, &err));
    return sums;
}

TEST(input_layouts)
{
    double *keys = draw_many(21, HEADS * ROWS * KEY_DIM), *values = draw_many(22, HEADS * ROWS * VALUE_DIM);
    placed dense_k = place_numbers(keys, DENSE, DPATTN_F64, HEADS, ROWS, KEY_DIM);
    placed dense_v = place_numbers(values, DENSE, DPATTN_F64, HEADS, ROWS, VALUE_DIM);
    bytes want = sums_of(&dense_k, &dense_v, 0);
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
        for (enum layout layout = DENSE; layout < LAYOUTS; layout++) {
            /* Keys and values may differ in both. */
            placed k = place_numbers(keys, layout, dtypes[d], HEADS, ROWS, KEY_DIM);
            placed v = place_numbers(values, LAYOUTS - 1 - layout, dtypes[3 - d], HEADS, ROWS, VALUE_DIM);
            for (int head_by_head = 0; head_by_head < 2; head_by_head++) {
                bytes got = sums_of(&k, &v, head_by_head);
                CHECK(same_rows(want, got));
                free(got.data);
            }
            free(k.memory);
            free(v.memory);
        }
    free(want.data);
    free(dense_k.memory);
    free(dense_v.memory);
    free(keys);
    free(values);
}

/* A stride of 0 gives all rows the same key. */
TEST(broadcast_input)
{
    dpattn_params params = typical_params();
    double key[KEY_DIM] = { 0.5, 0.25, -0.5, 0 }, dense[ROWS * KEY_DIM], *values = draw_many(23, ROWS * VALUE_DIM);
    for (int i = 0; i < ROWS; i++)
        memcpy(dense + i * KEY_DIM, key, sizeof key);
    dpattn_tensor one = matrix(key, DPATTN_F64, ROWS, KEY_DIM), many = matrix(dense, DPATTN_F64, ROWS, KEY_DIM);
    dpattn_tensor v = matrix(values, DPATTN_F64, ROWS, VALUE_DIM);
    one.strides[0] = 0;
    bytes sums[2];
    for (int i = 0; i < 2; i++) {
        dpattn_builder builder = 0;
        OK(dpattn_builder_create(&params, &builder, &err));
        OK(dpattn_builder_add(builder, 0, i ? &one : &many, &v, NULL, NULL, &err));
        sums[i] = export_of(builder);
        OK(dpattn_builder_free(builder, &err));
    }
    CHECK(same_rows(sums[0], sums[1]));
    free(sums[0].data);
    free(sums[1].data);
    free(values);
}

/* Half a unit in the last place of a dtype, relative; f16's subnormals below 2^-14 have an absolute
 * one. */
static double rounding(int32_t dtype, double x)
{
    double relative = dtype == DPATTN_F64 ? 0 : dtype == DPATTN_F32 ? 0x1p-24 : dtype == DPATTN_F16 ? 0x1p-11 : 0x1p-8;
    return fmax(fabs(x) * relative, dtype == DPATTN_F16 ? 0x1p-25 : 0);
}

/* The elements are the dense numbers, rounded, and no byte elsewhere was written. */
static void check_output(placed *p, const double *dense)
{
    const dpattn_tensor *t = &p->tensor;
    double worst = 0;
    for (int64_t h = 0; h < t->shape[0]; h++)
        for (int64_t i = 0; i < t->shape[1]; i++)
            for (int64_t j = 0; j < t->shape[2]; j++) {
                double want = dense[(h * t->shape[1] + i) * t->shape[2] + j];
                double off = fabs(get_element(element(t, h, i, j), t->dtype) - want);
                worst = fmax(worst, off - rounding(t->dtype, want));
                dirty(element(t, h, i, j), dtype_size(t->dtype));
            }
    CHECK(worst <= 0);
    CHECK(untouched(p->memory, p->size));
    free(p->memory);
}

TEST(output_layouts)
{
    dpattn_params params = typical_params();
    params.heads = HEADS;
    dpattn_release release = release_of(&params, ROWS, vast_budget());
    double *queries = draw_many(24, HEADS * QUERIES * KEY_DIM);
    double out[HEADS * QUERIES * VALUE_DIM], lse[HEADS * QUERIES], stddev[HEADS * QUERIES * VALUE_DIM];
    dpattn_tensor q = cube(queries, DPATTN_F64, HEADS, QUERIES, KEY_DIM),
                  o = cube(out, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor l = cube(lse, DPATTN_F64, HEADS, QUERIES, 1), s = cube(stddev, DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, &l, &s, NULL, &err));
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
        for (enum layout layout = DENSE; layout < LAYOUTS; layout++) {
            placed pq = place_numbers(queries, LAYOUTS - 1 - layout, dtypes[3 - d], HEADS, QUERIES, KEY_DIM);
            placed po = place(layout, dtypes[d], HEADS, QUERIES, VALUE_DIM);
            placed pl = place(layout, dtypes[d], HEADS, QUERIES, 1);
            placed ps = place(layout, dtypes[d], HEADS, QUERIES, VALUE_DIM);
            OK(dpattn_release_attend(release, &pq.tensor, &po.tensor, &pl.tensor, &ps.tensor, NULL, &err));
            check_output(&po, out);
            check_output(&pl, lse);
            check_output(&ps, stddev);
            free(pq.memory);
        }
    OK(dpattn_release_free(release, &err));
    free(queries);
}

/* The key-value form lands in memory of any layout, and nowhere else. */
TEST(kv_layouts)
{
    enum { ALL = HEADS * CELLS };
    dpattn_params params = codebook_params(HEADS);
    dpattn_release release = release_of(&params, ROWS, typical_budget());
    double keys[ALL * KEY_DIM], values[ALL * VALUE_DIM], bias[ALL];
    dpattn_tensor k = cube(keys, DPATTN_F64, HEADS, CELLS, KEY_DIM),
                  v = cube(values, DPATTN_F64, HEADS, CELLS, VALUE_DIM), b = matrix(bias, DPATTN_F64, HEADS, CELLS);
    OK(dpattn_release_kv(release, &k, &v, &b, &err));
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
        for (enum layout layout = DENSE; layout < LAYOUTS; layout++) {
            placed pk = place(layout, dtypes[d], HEADS, CELLS, KEY_DIM);
            placed pv = place(LAYOUTS - 1 - layout, dtypes[(d + 1) % 4], HEADS, CELLS, VALUE_DIM);
            placed pb = place(layout, dtypes[(d + 2) % 4], 1, HEADS, CELLS);
            dpattn_tensor all_bias = pb.tensor;
            pb.tensor = head_of(&all_bias, 0);
            OK(dpattn_release_kv(release, &pk.tensor, &pv.tensor, &pb.tensor, &err));
            pb.tensor = all_bias;
            check_output(&pk, keys);
            check_output(&pv, values);
            check_output(&pb, bias);
        }
    OK(dpattn_release_free(release, &err));
}

/* A 3-D query tensor is accepted for one head, and equals the 2-D one. */
TEST(one_head_either_way)
{
    dpattn_params params = typical_params();
    dpattn_release release = release_of(&params, ROWS, typical_budget());
    double *queries = draw_many(25, QUERIES * KEY_DIM), a[QUERIES * VALUE_DIM], b[QUERIES * VALUE_DIM];
    dpattn_tensor q2 = matrix(queries, DPATTN_F64, QUERIES, KEY_DIM), o2 = matrix(a, DPATTN_F64, QUERIES, VALUE_DIM);
    dpattn_tensor q3 = cube(queries, DPATTN_F64, 1, QUERIES, KEY_DIM), o3 = cube(b, DPATTN_F64, 1, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend(release, &q2, &o2, NULL, NULL, NULL, &err));
    OK(dpattn_release_attend(release, &q3, &o3, NULL, NULL, NULL, &err));
    CHECK(memcmp(a, b, sizeof a) == 0);
    OK(dpattn_release_free(release, &err));
    free(queries);
}

/* Each head alone gives the bits of all at once, in lse and stddev too. */
TEST(head_by_head)
{
    enum { ALL = HEADS * QUERIES };
    dpattn_params params = typical_params();
    params.heads = HEADS;
    dpattn_release release = release_of(&params, ROWS, typical_budget());
    double *queries = draw_many(26, ALL * KEY_DIM), out[2][ALL * VALUE_DIM], lse[2][ALL], stddev[2][ALL * VALUE_DIM];
    uint64_t all_clipped, clipped, sum = 0;
    dpattn_tensor q = cube(queries, DPATTN_F64, HEADS, QUERIES, KEY_DIM),
                  o = cube(out[0], DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    dpattn_tensor l = cube(lse[0], DPATTN_F64, HEADS, QUERIES, 1),
                  s = cube(stddev[0], DPATTN_F64, HEADS, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend_head(release, DPATTN_ALL_HEADS, &q, &o, &l, &s, &all_clipped, &err));
    for (int32_t h = 0; h < HEADS; h++) {
        dpattn_tensor qh = matrix(queries + h * QUERIES * KEY_DIM, DPATTN_F64, QUERIES, KEY_DIM);
        dpattn_tensor oh = matrix(out[1] + h * QUERIES * VALUE_DIM, DPATTN_F64, QUERIES, VALUE_DIM);
        dpattn_tensor lh = matrix(lse[1] + h * QUERIES, DPATTN_F64, QUERIES, 1), sh = oh;
        sh.data = stddev[1] + h * QUERIES * VALUE_DIM;
        OK(dpattn_release_attend_head(release, h, &qh, &oh, &lh, &sh, &clipped, &err));
        sum += clipped;
        FAILS(DPATTN_INVALID_ARGUMENT, "queries.shape[0] is",
              dpattn_release_attend_head(release, h, &q, &o, NULL, NULL, NULL, &err));
        FAILS(DPATTN_INVALID_ARGUMENT, "head is",
              dpattn_release_attend_head(release, HEADS + h, &qh, &oh, NULL, NULL, NULL, &err));
        FAILS(DPATTN_INVALID_ARGUMENT, "head is",
              dpattn_release_attend_head(release, -2 - h, &qh, &oh, NULL, NULL, NULL, &err));
        FAILS(DPATTN_INVALID_HANDLE, "release", dpattn_release_attend_head(0, h, &qh, &oh, NULL, NULL, NULL, &err));
    }
    CHECK(sum == all_clipped && sum > 0);
    CHECK(memcmp(out[0], out[1], sizeof out[0]) == 0 && memcmp(lse[0], lse[1], sizeof lse[0]) == 0);
    CHECK(memcmp(stddev[0], stddev[1], sizeof stddev[0]) == 0);
    OK(dpattn_release_free(release, &err));
    free(queries);
}

/* ---- Malformed tensors ---- */

/* One way to break a valid tensor; outputs are stricter than inputs. */
typedef struct breakage {
    const char *what;
    int outputs_only;
    void (*apply)(dpattn_tensor *t);
} breakage;

static void no_data(dpattn_tensor *t) { t->data = NULL; }
static void dtype_zero(dpattn_tensor *t) { t->dtype = 0; }
static void dtype_unknown(dpattn_tensor *t) { t->dtype = 5; }
static void dtype_negative(dpattn_tensor *t) { t->dtype = INT32_MIN; }
static void one_axis(dpattn_tensor *t) { t->ndim = 1; }
static void no_axis(dpattn_tensor *t) { t->ndim = 0; }
static void minus_axes(dpattn_tensor *t) { t->ndim = -1; }
static void four_axes(dpattn_tensor *t) { t->ndim = 4; }
static void absurd_axes(dpattn_tensor *t) { t->ndim = INT32_MAX; }
static void negative_rows(dpattn_tensor *t) { t->shape[t->ndim - 2] = -1; }
static void fewest_rows(dpattn_tensor *t) { t->shape[t->ndim - 2] = INT64_MIN; }
static void more_columns(dpattn_tensor *t) { t->shape[t->ndim - 1]++; }
static void no_columns(dpattn_tensor *t) { t->shape[t->ndim - 1] = 0; }
static void far_rows(dpattn_tensor *t) { t->strides[t->ndim - 2] = INT64_MAX; }
static void far_back_rows(dpattn_tensor *t) { t->strides[t->ndim - 2] = INT64_MIN; }
static void wrapping_rows(dpattn_tensor *t) { t->shape[t->ndim - 2] = INT64_MAX; t->strides[t->ndim - 2] = 1 << 20; }
static void rows_in_one_place(dpattn_tensor *t) { t->strides[t->ndim - 2] = 0; }
static void columns_overlap(dpattn_tensor *t) { t->strides[t->ndim - 1] = 1; }

static const breakage breakages[] = {
    { "data", 0, no_data },
    { "dtype", 0, dtype_zero },
    { "dtype", 0, dtype_unknown },
    { "dtype", 0, dtype_negative },
    { "ndim", 0, one_axis },
    { "ndim", 0, no_axis },
    { "ndim", 0, minus_axes },
    { "ndim", 0, four_axes },
    { "ndim", 0, absurd_axes },
    { "shape", 0, negative_rows },
    { "shape", 0, fewest_rows },
    { "shape", 0, more_columns },
    { "shape", 0, no_columns },
    { "strides", 0, far_rows },
    { "strides", 0, far_back_rows },
    { "strides", 0, wrapping_rows },
    { "strides", 1, rows_in_one_place },
    { "strides", 1, columns_overlap },
};
enum { BREAKAGES = sizeof breakages / sizeof *breakages };

/* Whether the message begins with the argument's name and says which field is wrong. */
static int names(const char *name, const char *what)
{
    size_t n = strlen(name);
    /* Shape and strides can each be to blame for the other. */
    return strncmp(err.message, name, n) == 0 &&
           (err.message[n] == '.' || err.message[n] == ':' || err.message[n] == ' ') &&
           (what[0] == 's' || strstr(err.message, what) != NULL);
}

TEST(malformed_rows)
{
    dpattn_params params = typical_params();
    params.heads = 2;
    dpattn_builder builder = builder_with_rows(&params, 3);
    bytes before = export_of(builder);
    double numbers[2 * 2 * KEY_DIM] = { 0 };
    static const char *const arguments[] = { "keys", "values" };
    for (int three = 0; three < 2; three++)
        for (int argument = 0; argument < 2; argument++)
            for (int b = 0; b < BREAKAGES; b++) {
                dpattn_tensor t[2] = { matrix(numbers, DPATTN_F64, 2, KEY_DIM),
                                       matrix(numbers, DPATTN_F64, 2, VALUE_DIM) };
                if (three) {
                    t[0] = cube(numbers, DPATTN_F64, 2, 2, KEY_DIM);
                    t[1] = cube(numbers, DPATTN_F64, 2, 2, VALUE_DIM);
                }
                if (breakages[b].outputs_only)
                    continue;
                breakages[b].apply(&t[argument]);
                FAILS(DPATTN_INVALID_ARGUMENT, "",
                      dpattn_builder_add(builder, three ? DPATTN_ALL_HEADS : 0, &t[0], &t[1], NULL, NULL, &err));
                if (!names(arguments[argument], breakages[b].what))
                    printf("%s, %s: %s\n", arguments[argument], breakages[b].what, err.message);
                CHECK(names(arguments[argument], breakages[b].what));
            }
    /* Well formed, but not what this builder takes. */
    dpattn_tensor k2 = matrix(numbers, DPATTN_F64, 2, KEY_DIM), v2 = matrix(numbers, DPATTN_F64, 2, VALUE_DIM);
    dpattn_tensor k3 = cube(numbers, DPATTN_F64, 2, 2, KEY_DIM), v3 = cube(numbers, DPATTN_F64, 2, 2, VALUE_DIM);
    FAILS(DPATTN_INVALID_ARGUMENT, "keys.ndim", dpattn_builder_add(builder, 0, &k3, &v3, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "values.ndim", dpattn_builder_add(builder, 0, &k2, &v3, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "keys.ndim",
          dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k2, &v2, NULL, NULL, &err));
    v2.shape[0] = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "values.shape", dpattn_builder_add(builder, 0, &k2, &v2, NULL, NULL, &err));
    k3.shape[0] = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "keys.shape",
          dpattn_builder_add(builder, DPATTN_ALL_HEADS, &k3, &v3, NULL, NULL, &err));
    bytes after = export_of(builder);
    CHECK(same_bytes(before, after));
    free(before.data);
    free(after.data);
    OK(dpattn_builder_free(builder, &err));
}

/* More rows than a head takes, in a view that is well formed because every row is the same
 * memory. */
TEST(too_many_rows)
{
    double numbers[KEY_DIM] = { 0 };
    uint64_t owner = 0;
    dpattn_tensor k = matrix(numbers, DPATTN_F64, 1, KEY_DIM), v = matrix(numbers, DPATTN_F64, 1, VALUE_DIM);
    k.strides[0] = v.strides[0] = 0;
    for (uint32_t owner_rows = 0; owner_rows < 2; owner_rows++) {
        dpattn_params params = typical_params();
        params.owner_rows = owner_rows;
        dpattn_builder builder = builder_with_rows(&params, 1);
        static const int64_t too_many[] = { 1 << 30, (int64_t)1 << 40, INT64_MAX / 8, INT64_MAX };
        for (size_t i = 0; i < sizeof too_many / sizeof *too_many; i++) {
            int64_t rows = too_many[i];
            k.shape[0] = v.shape[0] = rows;
            FAILS(DPATTN_LIMIT, "keys", dpattn_builder_add(builder, 0, &k, &v, owner_rows ? &owner : NULL, NULL, &err));
        }
        OK(dpattn_builder_free(builder, &err));
    }
}

TEST(malformed_queries)
{
    enum { Q, O, L, S, TENSORS };
    static const char *const arguments[TENSORS] = { "queries", "out", "lse", "stddev" };
    for (int three = 0; three < 2; three++) {
        dpattn_params params = typical_params();
        params.heads = three ? 2 : 1;
        dpattn_release release = release_of(&params, 3, typical_budget());
        double queries[2 * 2 * KEY_DIM] = { 0 }, outputs[3][2 * 2 * VALUE_DIM];
        uint64_t clipped;
        dirty(outputs, sizeof outputs);
        dirty(&clipped, sizeof clipped);
        for (int argument = 0; argument < TENSORS; argument++)
            for (int b = 0; b < BREAKAGES; b++) {
                static const int64_t columns[TENSORS] = { KEY_DIM, VALUE_DIM, 1, VALUE_DIM };
                dpattn_tensor t[TENSORS];
                for (int i = 0; i < TENSORS; i++) {
                    void *data = i == Q ? queries : outputs[i - 1];
                    t[i] = three ? cube(data, DPATTN_F64, 2, 2, columns[i]) : matrix(data, DPATTN_F64, 2, columns[i]);
                }
                if (breakages[b].outputs_only &&
                    (argument == Q || (argument == L && breakages[b].apply == columns_overlap)))
                    continue;
                breakages[b].apply(&t[argument]);
                FAILS(DPATTN_INVALID_ARGUMENT, "",
                      dpattn_release_attend(release, &t[Q], &t[O], &t[L], &t[S], &clipped, &err));
                if (!names(arguments[argument], breakages[b].what))
                    printf("%s, %s: %s\n", arguments[argument], breakages[b].what, err.message);
                CHECK(names(arguments[argument], breakages[b].what));
            }
        CHECK(untouched(outputs, sizeof outputs));
        CHECK(untouched(&clipped, sizeof clipped));
        OK(dpattn_release_free(release, &err));
    }
}

TEST(malformed_kv)
{
    enum { K, V, B, TENSORS };
    static const char *const arguments[TENSORS] = { "keys", "values", "bias" };
    dpattn_params params = codebook_params(2);
    dpattn_release release = release_of(&params, 3, typical_budget());
    double outputs[TENSORS][2 * CELLS * KEY_DIM];
    dirty(outputs, sizeof outputs);
    for (int argument = 0; argument < TENSORS; argument++)
        for (int b = 0; b < BREAKAGES + 2; b++) {
            dpattn_tensor t[TENSORS] = { cube(outputs[K], DPATTN_F64, 2, CELLS, KEY_DIM),
                                         cube(outputs[V], DPATTN_F64, 2, CELLS, VALUE_DIM),
                                         matrix(outputs[B], DPATTN_F64, 2, CELLS) };
            const char *what = b < BREAKAGES ? breakages[b].what : "shape";
            if (b < BREAKAGES)
                breakages[b].apply(&t[argument]);
            else if (b == BREAKAGES)
                t[argument].shape[0]--; /* a head too few */
            else
                t[argument].ndim = argument == B ? 3 : 2;
            FAILS(DPATTN_INVALID_ARGUMENT, "", dpattn_release_kv(release, &t[K], &t[V], &t[B], &err));
            if (!names(arguments[argument], what))
                printf("%s, %s: %s\n", arguments[argument], what, err.message);
            CHECK(names(arguments[argument], what));
        }
    dpattn_tensor k = cube(outputs[K], DPATTN_F64, 2, CELLS, KEY_DIM), v = k;
    dpattn_tensor b = matrix(outputs[B], DPATTN_F64, 2, CELLS);
    FAILS(DPATTN_INVALID_ARGUMENT, "keys", dpattn_release_kv(release, NULL, &v, &b, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "values", dpattn_release_kv(release, &k, NULL, &b, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "bias", dpattn_release_kv(release, &k, &v, NULL, &err));
    CHECK(untouched(outputs, sizeof outputs));
    OK(dpattn_release_free(release, &err));
}
