/* Hostile callers of the C interface, found by a fuzzer: the input is a program of calls, whose
 * arguments are drawn from it. Handles may be zero, stale, freed or of another type; structs have
 * any size; views may be malformed in every way that the library can see (what it cannot see, a
 * view that lies about the caller's memory, is the caller's fault by the header and is not made).
 *
 * After every call: the status is one of the header's, the error struct agrees with it, an output
 * handle is written exactly when the status is OK, and the canaries around the caller's memory
 * hold. The sanitizers watch the rest.
 *
 * With libFuzzer this file is the target; main.c runs the committed inputs through it without
 * one. */
#include <stdlib.h>
#include <string.h>

#include "dpattn.h"
#include "fuzz.h"

/* ---- The input ---- */

static const uint8_t *at, *end;

static uint8_t byte(void)
{
    return at < end ? *at++ : 0;
}

static uint64_t number(int bytes)
{
    uint64_t x = 0;
    while (bytes--)
        x = x << 8 | byte();
    return x;
}

/* One of the first few whole numbers, mostly; now and then any number. */
static uint64_t small(uint64_t most)
{
    uint8_t b = byte();
    return b < 248 ? b % (most + 1) : number(8);
}

static double real(void)
{
    static const double plain[] = { 0, 1, 0.5, 2, 1e-6, -1, 1e308, 5e-324 };
    uint8_t b = byte();
    double x;
    if (b < 224)
        return plain[b % 8];
    uint64_t bits = number(8);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- The caller's memory ---- */

enum { POOL = 8, ARENA = 1024, GUARD = 64 };

static uint64_t builders[POOL], releases[POOL], trees[POOL], distances[POOL];
static uint8_t memory[GUARD + ARENA + GUARD];
static uint8_t file[1 << 14];
static size_t file_size;
static dpattn_error err;

/* A handle of the right kind, mostly. */
static uint64_t handle(const uint64_t *right, const uint64_t *wrong)
{
    uint8_t b = byte();
    if (b < 224)
        return right[b < 128 ? b % 2 : b % POOL];
    return b < 240 ? wrong[b % POOL] : number(8);
}

static dpattn_error *error(void)
{
    uint8_t b = byte();
    memset(&err, 0xA5, sizeof err);
    err.size = b < 240 ? (uint32_t)sizeof err : (uint32_t)number(1);
    if (err.size > sizeof err)
        err.size = sizeof err;
    return b == 255 ? NULL : &err;
}

/* What holds after every call. */
static int32_t checked(int32_t status, const dpattn_error *error)
{
    if (strcmp(dpattn_status_string(status), "UNKNOWN") == 0)
        FAIL("a status that the header does not have");
    if (status == DPATTN_INTERNAL || status == DPATTN_FORKED)
        FAIL("INTERNAL or FORKED");
    if (error != NULL && error->size >= 8 && error->code != status)
        FAIL("err.code is not the status");
    if (error != NULL && error->size > 8 && memchr(error->message, 0, error->size - 8) == NULL)
        FAIL("err.message is not terminated");
    /* With 9, there is room for the NUL alone. */
    if (error != NULL && error->size > 9 && (status == DPATTN_OK) != (error->message[0] == 0))
        FAIL("err.message does not go with the status");
    for (int i = 0; i < GUARD; i++)
        if (memory[i] != 0x5A || memory[GUARD + ARENA + i] != 0x5A)
            FAIL("written outside the caller's memory");
    return status;
}

/* Fills a slot of a pool with the handle that a call has made; what the slot held goes. */
static void store(uint64_t *slot, int32_t status, uint64_t made, int32_t (*release)(uint64_t, dpattn_error *))
{
    if ((status == DPATTN_OK) == (made == 0))
        FAIL("an output handle does not go with the status");
    if (status == DPATTN_OK) {
        if (*slot != 0)
            release(*slot, NULL);
        *slot = made;
    }
}

/* A view into the arena. Shapes fit the typical parameters mostly. */
static dpattn_tensor view(void)
{
    dpattn_tensor t;
    memset(&t, 0, sizeof t);
    t.dtype = (int32_t)(1 + small(3));
    t.ndim = (int32_t)(2 + small(1));
    int64_t size = t.dtype == DPATTN_F64 ? 8 : t.dtype == DPATTN_F32 ? 4 : 2;
    for (int a = 0; a < DPATTN_MAX_NDIM; a++)
        t.shape[a] = byte() < 160 ? 2 : (int64_t)small(4);
    int64_t dense = size;
    for (int a = (t.ndim == 2 ? 2 : 3) - 1; a >= 0; a--) {
        t.strides[a] = byte() < 240 ? dense : (int64_t)(int8_t)byte();
        dense *= t.shape[a] > 0 && t.shape[a] < 64 ? t.shape[a] : 1;
    }
    t.data = memory + GUARD + number(2) % ARENA;
    if (byte() >= 252)
        t.data = NULL;

    /* What the library can see to be wrong may go as it is; else the view must lie in the arena. */
    if (t.dtype < 1 || t.dtype > 4 || t.ndim < 2 || t.ndim > 3 || t.data == NULL)
        return t;
    int64_t low = 0, high = size;
    for (int a = 0; a < t.ndim; a++) {
        if (t.shape[a] <= 0)
            return t; /* negative, or empty: no element is touched */
        if (t.shape[a] > ARENA)
            t.shape[a] = 1 + t.shape[a] % 4;
        int64_t reach = (t.shape[a] - 1) * t.strides[a];
        *(reach < 0 ? &low : &high) += reach;
    }
    int64_t offset = (uint8_t *)t.data - memory - GUARD;
    if (offset + low < 0)
        offset = -low;
    if (offset + high > ARENA)
        offset = ARENA - high;
    if (offset + low < 0) /* too large for the arena either way */
        t.ndim = 0;
    t.data = memory + GUARD + offset;
    return t;
}

/* Zero in a struct_size now and then, or one byte less; never more than there is. */
static uint32_t size_of(size_t size)
{
    uint8_t b = byte();
    return b < 240 ? (uint32_t)size : b < 248 ? (uint32_t)(size - 4u * (b - 240u)) : b - 248u;
}

static double center[64], weights[8], centroids[64];

static dpattn_params parameters(void)
{
    dpattn_params p;
    memset(&p, 0, sizeof p);
    p.struct_size = size_of(sizeof p);
    p.key_dim = (uint32_t)small(4);
    p.value_dim = (uint32_t)small(4);
    p.heads = (uint32_t)small(2);
    p.degree = (uint32_t)small(3);
    p.mechanism = byte() < 128 ? 0 : (int32_t)small(3);
    p.polynomial = (int32_t)small(2);
    p.adjacency = (int32_t)small(2);
    p.owner_rows = byte() < 128 ? 0 : (uint32_t)small(2);
    p.rotation = (int32_t)small(2);
    p.key_bound = byte() < 200 ? 1 : real();
    p.value_bound = byte() < 200 ? 1 : real();
    p.query_bound = byte() < 200 ? 1 : real();
    p.scale = byte() < 200 ? 0 : real();
    p.lambda = byte() < 200 ? 0 : real();
    if (p.mechanism == DPATTN_DPTREE) {
        /* Few leaves and copies, or more than any machine holds. */
        p.range = byte() < 200 ? 1 : real();
        p.value_range = byte() < 200 ? 1 : real();
        p.relative_error = byte() < 200 ? 0 : real();
        p.failure_probability = byte() < 200 ? 0 : real();
        p.copy_factor = byte() < 200 ? 0 : real();
        p.rows = byte() < 200 ? number(1) : number(8) | (uint64_t)1 << 40;
        p.leaves = byte() < 240 ? byte() % 40u : 0xFFFFFFFFu;
        p.copies = byte() < 240 ? 1 + byte() % 3u : 0xFFFFFFFFu;
        if (byte() < 224)
            p.key_bound = p.query_bound = p.value_bound = p.scale = p.lambda = 0, p.polynomial = p.rotation = 0;
    }
    if (p.mechanism == DPATTN_CODEBOOK) {
        uint32_t heads = p.heads ? p.heads : 1;
        for (int i = 0; i < 64; i++)
            centroids[i] = i < 4 ? real() : i / 64.0;
        /* Few cells, or a codebook that is refused before it is read. */
        p.cells = byte() < 240 ? 1 + byte() % 4u : 0xFFFFFFFFu;
        p.codebook = byte() < 240 ? centroids : NULL;
        if (p.cells <= 4 && (heads > 4 || p.key_dim > 4))
            p.codebook = NULL;
        p.reserved_2 = byte() < 248 ? 0 : 1;
        if (byte() < 224)
            p.query_bound = 0, p.degree = 0, p.polynomial = p.rotation = 0;
    }
    if (byte() >= 224) {
        for (int i = 0; i < 64; i++)
            center[i] = i < 4 ? real() : 0.25;
        p.center = (uint64_t)(p.heads ? p.heads : 1) * p.key_dim <= 64 ? center : NULL;
    }
    if (byte() >= 224) {
        for (int i = 0; i < 8; i++)
            weights[i] = i < 2 ? real() : 1;
        p.head_weights = p.heads <= 8 ? weights : NULL;
    }
    return p;
}

static dpattn_budget budget(void)
{
    dpattn_budget b = { size_of(sizeof(dpattn_budget)), 0, 1, 1e-6 };
    b.reserved = byte() < 248 ? 0 : 1;
    if (byte() >= 200)
        b.epsilon = real();
    if (byte() >= 200)
        b.delta = real();
    return b;
}

static int steps;

static int32_t report(void *user, uint64_t done, uint64_t total)
{
    if (done > total)
        FAIL("more done than there is");
    return user != NULL && steps-- <= 0;
}

static const dpattn_progress *progress(dpattn_progress *p)
{
    static int32_t flag;
    uint8_t b = byte();
    if (b < 192)
        return NULL;
    memset(p, 0, sizeof *p);
    p->struct_size = size_of(sizeof *p);
    steps = byte() % 4;
    p->user = b < 224 ? NULL : &steps;
    p->callback = b < 250 ? report : NULL;
    flag = b >= 252;
    p->cancel = b >= 248 ? &flag : NULL;
    return p;
}

/* ---- The calls ---- */

static void create(void)
{
    dpattn_params p = parameters();
    uint64_t made = 0;
    dpattn_error *e = error();
    int32_t status = checked(dpattn_builder_create(&p, &made, e), e);
    store(&builders[byte() % POOL], status, made, dpattn_builder_free);
}

static void add(void)
{
    static const uint64_t owners[ARENA] = { 1, 2, 1, 3, 1 };
    dpattn_tensor keys = view(), values = view();
    dpattn_progress p;
    const dpattn_progress *watch = progress(&p);
    dpattn_error *e = error();
    uint64_t builder = handle(builders, releases);
    int32_t head = (int32_t)small(3) - 1;
    const uint64_t *ids = byte() < 128 ? NULL : owners;
    checked(dpattn_builder_add(builder, head, &keys, &values, ids, watch, e), e);
}

static void combine(void)
{
    dpattn_error *e = error();
    uint64_t into = handle(builders, releases), from = handle(builders, releases);
    checked(dpattn_builder_merge(into, from, e), e);
}

/* Fills the file from an export or a save whose buffer is as large as the input says. */
static void fill_file(int32_t (*write)(uint64_t, void *, size_t, size_t *, dpattn_error *), uint64_t from)
{
    size_t needed = 0, capacity = byte() < 128 ? sizeof file : number(1) * 8;
    dpattn_error *e = error();
    int32_t status = checked(write(from, file, capacity, &needed, e), e);
    if (status == DPATTN_OK && (needed > capacity || needed == 0))
        FAIL("more needed than there is room, and OK");
    if (status == DPATTN_BUFFER_TOO_SMALL && needed <= capacity)
        FAIL("there was room");
    if (status == DPATTN_OK)
        file_size = needed;
}

/* Cuts or alters the file. A right checksum over wrong bytes is what the Go fuzz targets of the
 * decoders make. */
static void spoil_file(void)
{
    uint8_t times = byte() % 4;
    if (byte() >= 192)
        file_size = file_size ? number(2) % file_size : 0;
    while (times-- && file_size)
        file[number(2) % file_size] ^= byte();
}

static void load(uint64_t *pool, int32_t (*read)(const void *, size_t, uint64_t *, dpattn_error *),
                 int32_t (*release)(uint64_t, dpattn_error *))
{
    uint64_t made = 0;
    uint8_t slot = byte() % POOL;
    dpattn_error *e = error();
    int32_t status = checked(read(file, file_size, &made, e), e);
    store(&pool[slot], status, made, release);
}

static void diagnose(void)
{
    dpattn_diagnostics d = { .struct_size = size_of(sizeof d) };
    dpattn_error *e = error();
    uint64_t builder = handle(builders, releases);
    checked(dpattn_builder_diagnostics(builder, &d, e), e);
    dpattn_info info = { .struct_size = d.struct_size };
    checked(dpattn_builder_info(builder, &info, e), e);
}

static void release(void)
{
    dpattn_budget b = budget();
    dpattn_progress p;
    const dpattn_progress *watch = progress(&p);
    uint64_t made = 0, builder = handle(builders, releases);
    dpattn_error *e = error();
    int32_t status = checked(dpattn_builder_release(builder, &b, watch, &made, e), e);
    store(&releases[byte() % POOL], status, made, dpattn_release_free);
}

static void attend(void)
{
    dpattn_tensor queries = view(), out = view(), lse = view(), stddev = view();
    uint64_t clipped, from = handle(releases, builders);
    uint8_t b = byte();
    dpattn_error *e = error();
    checked(dpattn_release_attend(from, &queries, &out, b & 1 ? &lse : NULL, b & 2 ? &stddev : NULL,
                                  b & 4 ? &clipped : NULL, e),
            e);
}

static void keys_and_values(void)
{
    dpattn_tensor keys = view(), values = view(), bias = view();
    uint8_t b = byte();
    uint64_t from = b < 128 ? releases[2] : handle(releases, builders);
    dpattn_error *e = error();
    checked(dpattn_release_kv(from, b == 255 ? NULL : &keys, b == 254 ? NULL : &values, b == 253 ? NULL : &bias, e), e);
}

static void inform(void)
{
    dpattn_info info = { .struct_size = size_of(sizeof info) };
    dpattn_error *e = error();
    checked(dpattn_release_info(handle(releases, builders), &info, e), e);
}

static void certify(int32_t (*write)(uint64_t, char *, size_t, size_t *, dpattn_error *), uint64_t from)
{
    static char json[1 << 15];
    size_t needed = 0, capacity = byte() < 128 ? sizeof json : number(1) * 64;
    dpattn_error *e = error();
    int32_t status = checked(write(from, json, capacity, &needed, e), e);
    if (status == DPATTN_OK && (needed == 0 || needed > capacity || json[needed - 1] != 0))
        FAIL("a certificate that is cut or not terminated");
    if (status == DPATTN_BUFFER_TOO_SMALL && needed <= capacity)
        FAIL("there was room");
}

static void state(void)
{
    static int64_t numbers[1 << 11];
    size_t needed = 0;
    dpattn_error *e = error();
    uint64_t from = handle(releases, builders);
    size_t capacity = byte() < 128 ? 1 << 11 : number(1);
    checked(dpattn_release_state(from, numbers, capacity, &needed, e), e);
}

static void retain(void)
{
    uint64_t made = 0;
    dpattn_error *e = error();
    int32_t status = checked(dpattn_release_retain(handle(releases, builders), &made, e), e);
    store(&releases[byte() % POOL], status, made, dpattn_release_free);
}

static void plan(void)
{
    dpattn_params p = parameters();
    dpattn_budget b = budget();
    dpattn_plan_result result = { .struct_size = size_of(sizeof result) };
    dpattn_error *e = error();
    uint64_t rows = small(200);
    checked(dpattn_plan(&p, rows, &b, byte() < 200 ? 0 : real(), &result, e), e);
}

static dpattn_structure_params structure(void)
{
    dpattn_structure_params p;
    memset(&p, 0, sizeof p);
    p.struct_size = size_of(sizeof p);
    p.adjacency = (int32_t)small(2);
    p.owner_rows = byte() < 128 ? 0 : (uint32_t)small(2);
    p.leaves = byte() < 240 ? byte() % 40u : 0xFFFFFFFFu;
    p.dim = (uint32_t)small(3);
    p.squared = (int32_t)small(1);
    p.range = byte() < 200 ? 1 : real();
    p.weight = byte() < 200 ? 1 : real();
    return p;
}

static void make_tree(void)
{
    static int64_t positions[] = { 0, 1, 2, -1, 99, INT64_MIN, INT64_MAX, 1 };
    static const uint64_t owners[] = { 1, 2, 1, 3, 1, 1, 1, 1 };
    dpattn_structure_params p = structure();
    if (byte() < 192)
        p.dim = 0, p.squared = 0, p.range = 0;
    dpattn_budget b = budget();
    dpattn_progress watched;
    const dpattn_progress *watch = progress(&watched);
    dpattn_diagnostics d = { .struct_size = size_of(sizeof d) };
    uint8_t which = byte();
    double values[8];
    memcpy(values, memory + GUARD + which, sizeof values);
    uint64_t made = 0, rows = which < 240 ? which % 9 : (uint64_t)1 << 62;
    dpattn_error *e = error();
    int32_t status =
        checked(dpattn_tree_create(&p, which == 255 ? NULL : values, byte() < 128 ? positions : NULL,
                                   byte() < 128 ? NULL : owners, rows, &b, watch, byte() < 128 ? NULL : &d, &made, e),
                e);
    store(&trees[which % POOL], status, made, dpattn_tree_free);
}

static void make_distance(void)
{
    static const uint64_t owners[ARENA] = { 1, 2, 1, 3, 1 };
    dpattn_structure_params p = structure();
    dpattn_tensor points = view(), weights = view();
    dpattn_budget b = budget();
    dpattn_progress watched;
    const dpattn_progress *watch = progress(&watched);
    dpattn_diagnostics d = { .struct_size = size_of(sizeof d) };
    uint8_t which = byte();
    uint64_t made = 0;
    dpattn_error *e = error();
    int32_t status = checked(dpattn_distance_create(&p, &points, which & 1 ? &weights : NULL, which & 2 ? owners : NULL,
                                                    &b, watch, which & 4 ? &d : NULL, &made, e),
                             e);
    store(&distances[which >> 3 & 7], status, made, dpattn_distance_free);
}

static void ask_tree(void)
{
    int64_t first[4], last[4];
    double sums[4], stddev[4];
    for (int i = 0; i < 4; i++)
        first[i] = (int64_t)small(40), last[i] = first[i] + (int64_t)(byte() % 20);
    uint64_t tree = handle(trees, releases);
    uint8_t b = byte();
    dpattn_error *e = error();
    checked(dpattn_tree_query(tree, b == 255 ? NULL : first, last, b % 5, sums, b & 8 ? stddev : NULL, e), e);
    dpattn_structure_info info = { .struct_size = size_of(sizeof info) };
    checked(dpattn_tree_info(tree, &info, e), e);
}

static void ask_distance(void)
{
    dpattn_tensor queries = view(), l1 = view(), l2 = view();
    uint64_t distance = handle(distances, releases);
    uint8_t b = byte();
    dpattn_error *e = error();
    checked(dpattn_distance_query(distance, &queries, b & 1 ? &l1 : NULL, b & 2 ? &l2 : NULL, e), e);
    dpattn_structure_info info = { .struct_size = size_of(sizeof info) };
    checked(dpattn_distance_info(distance, &info, e), e);
}

static void merge(void)
{
    dpattn_tensor t[6];
    for (int i = 0; i < 6; i++)
        t[i] = view();
    dpattn_error *e = error();
    checked(dpattn_merge(&t[0], &t[1], &t[2], &t[3], &t[4], byte() < 128 ? NULL : &t[5], e), e);
}

static void fill_arena(void)
{
    uint64_t x = number(4);
    for (int i = 0; i < ARENA; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        memory[GUARD + i] = (uint8_t)(x >> 56);
    }
    size_t length = number(1);
    for (size_t i = 0; i < length && at < end; i++)
        memory[GUARD + i] = byte();
}

/* Right arguments all the way, so that the other calls find something to work on: slot gets a
 * builder of a mechanism, and a release of its rows if spend. */
static void work(int slot, int rows, int owner_rows, int spend, int32_t mechanism)
{
    static const uint64_t owners[] = { 1, 2, 2, 1 };
    static const double codebook[] = { 0.5, 0, -0.5, 0.25 };
    dpattn_params p = { .struct_size = sizeof p, .key_dim = 2, .value_dim = 2, .mechanism = mechanism,
        .adjacency = 1 + (slot & 1), .owner_rows = (uint32_t)owner_rows };
    p.key_bound = p.value_bound = 1;
    if (mechanism == DPATTN_CODEBOOK)
        p.codebook = codebook, p.cells = 2;
    else
        p.query_bound = 1, p.degree = 2, p.polynomial = DPATTN_TAYLOR;
    uint64_t made = 0, out = 0;
    dpattn_tensor keys = { memory + GUARD, DPATTN_F32, 2, { rows, 2, 0 }, { 16, 4, 0 } };
    dpattn_tensor values = { memory + GUARD + 64, DPATTN_F32, 2, { rows, 2, 0 }, { 16, 4, 0 } };
    int32_t status = checked(dpattn_builder_create(&p, &made, NULL), NULL);
    store(&builders[slot], status, made, dpattn_builder_free);
    if (checked(dpattn_builder_add(made, 0, &keys, &values, owner_rows ? owners : NULL, NULL, NULL), NULL) != DPATTN_OK)
        FAIL("rows, whatever they hold, are refused");
    if (!spend)
        return;
    dpattn_budget b = { sizeof b, 0, 1, 1e-6 };
    status = checked(dpattn_builder_release(made, &b, NULL, &out, NULL), NULL);
    store(&releases[slot], status, out, dpattn_release_free);
}

static void forget(void)
{
    uint8_t b = byte();
    dpattn_error *e = error();
    switch (b % 4) {
    case 0: checked(dpattn_builder_free(handle(builders, releases), e), e); break;
    case 1: checked(dpattn_release_free(handle(releases, builders), e), e); break;
    case 2: checked(dpattn_tree_free(handle(trees, distances), e), e); break;
    case 3: checked(dpattn_distance_free(handle(distances, trees), e), e); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    at = data, end = data + size;
    memset(memory, 0x5A, sizeof memory);
    file_size = 0;
    /* Builders with rows, with owners as units, with a codebook; and their releases, which take
     * long to make and never change. */
    static uint64_t kept[3];
    for (int i = 0; i < 3; i++) {
        int32_t mechanism = i == 2 ? DPATTN_CODEBOOK : DPATTN_GAUSSIAN;
        int owner_rows = i == 1 ? 2 : 0;
        if (kept[i] == 0) {
            work(i, 3, owner_rows, 1, mechanism);
            kept[i] = releases[i];
        }
        work(i, 3, owner_rows, 0, mechanism);
        if (dpattn_release_retain(kept[i], &releases[i], NULL) != DPATTN_OK)
            FAIL("a release is gone");
    }
    while (at < end) {
        uint8_t call = byte(); /* beyond 247: what came later, so that older inputs keep their meaning */
        switch (call < 248 ? call % 26 : call % 2 ? 26 : 27) {
        case 0: create(); break;
        case 1: case 2: add(); break;
        case 3: combine(); break;
        case 4: fill_file(dpattn_builder_export_secret, handle(builders, releases)); break;
        case 5: fill_file(dpattn_release_save, handle(releases, builders)); break;
        case 6: spoil_file(); break;
        case 7: load(builders, dpattn_builder_import_secret, dpattn_builder_free); break;
        case 8: load(releases, dpattn_release_load, dpattn_release_free); break;
        case 9: diagnose(); break;
        case 10: release(); break;
        case 11: case 12: attend(); break;
        case 13: inform(); certify(dpattn_release_certificate, handle(releases, builders)); break;
        case 14: state(); retain(); break;
        case 15: plan(); break;
        case 16: merge(); break;
        case 17: fill_arena(); break;
        case 18: {
            uint8_t b = byte();
            work(b % POOL, b >> 3 & 3, b >> 5 & 1, b >> 6 & 1, DPATTN_GAUSSIAN);
            break;
        }
        case 19: forget(); break;
        case 20: make_tree(); break;
        case 21: make_distance(); break;
        case 22: ask_tree(); certify(dpattn_tree_certificate, handle(trees, distances)); break;
        case 23: ask_distance(); certify(dpattn_distance_certificate, handle(distances, trees)); break;
        case 24: {
            int tree = byte() & 1;
            fill_file(tree ? dpattn_tree_save : dpattn_distance_save,
                      tree ? handle(trees, distances) : handle(distances, trees));
            break;
        }
        case 25:
            if (byte() & 1)
                load(trees, dpattn_tree_load, dpattn_tree_free);
            else
                load(distances, dpattn_distance_load, dpattn_distance_free);
            break;
        case 26: keys_and_values(); break;
        case 27: {
            uint8_t b = byte();
            work(b % POOL, b >> 3 & 3, b >> 5 & 1, b >> 6 & 1, DPATTN_CODEBOOK);
            break;
        }
        }
    }
    for (int i = 0; i < POOL; i++) {
        dpattn_builder_free(builders[i], NULL);
        dpattn_release_free(releases[i], NULL);
        dpattn_tree_free(trees[i], NULL);
        dpattn_distance_free(distances[i], NULL);
        builders[i] = releases[i] = trees[i] = distances[i] = 0;
    }
    return 0;
}
