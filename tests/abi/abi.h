/* A small harness and the fixtures that the tests of the C interface share. */
#ifndef DPATTN_TESTS_ABI_H
#define DPATTN_TESTS_ABI_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpattn.h"

/* ---- Harness ---- */

/* A test, which registers itself before main runs. */
typedef struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
} test;
void add_test(test *added);
#define TEST(name)                                                          \
    static void test_##name(void);                                          \
    __attribute__((constructor)) static void add_##name(void)               \
    {                                                                       \
        static test added = { #name, test_##name, NULL };                   \
        add_test(&added);                                                   \
    }                                                                       \
    static void test_##name(void)

/* A failed check is printed and counted against the running test, which goes on. Checks may be made
 * from any thread. */
#define CHECK(condition) check((condition) != 0, __FILE__, __LINE__, #condition)
void check(int holds, const char *file, int line, const char *what);

/* A checked call passes `&err` as its last argument. FAILS wants that status and a message that
 * contains `text`. */
#define OK(call) expect((err = fresh_error(), (call)), DPATTN_OK, "", &err, __FILE__, __LINE__, #call)
#define FAILS(status, text, call) expect((err = fresh_error(), (call)), status, text, &err, __FILE__, __LINE__, #call)
void expect(int32_t got, int32_t want, const char *text, const dpattn_error *error, const char *file, int line,
            const char *call);

/* The error of the running checked call, one a thread. Its bytes are dirty before each call. */
extern __thread dpattn_error err;
dpattn_error fresh_error(void);

/* Outputs are filled with a pattern before a call that fails, and hold it afterwards. */
void dirty(void *output, size_t size);
int untouched(const void *output, size_t size);

/* Repeatable numbers in [-1, 1); they are multiples of 1/128, which every dtype holds exactly. */
double draw(uint64_t *state);

/* ---- Fixtures ---- */

enum { KEY_DIM = 4, VALUE_DIM = 3 };

/* Valid params: one head, KEY_DIM x VALUE_DIM, degree 2, all bounds 1, ADD_REMOVE. */
dpattn_params typical_params(void);
/* Valid params of the codebook mechanism: CELLS cells a head, key_bound 2, value_bound 1.5. */
enum { CELLS = 8 };
dpattn_params codebook_params(uint32_t heads);
dpattn_budget typical_budget(void);
/* So much budget that noise is far below what the tests tolerate. */
dpattn_budget vast_budget(void);

/* Dense row-major views. */
dpattn_tensor matrix(const void *data, int32_t dtype, int64_t rows, int64_t columns);
dpattn_tensor cube(const void *data, int32_t dtype, int64_t heads, int64_t rows, int64_t columns);
size_t dtype_size(int32_t dtype);
/* Writes x as an element of a dtype, and back; exact for draw()'s numbers. */
void put_element(void *at, int32_t dtype, double x);
double get_element(const void *at, int32_t dtype);

/* count numbers from draw(), in memory that the caller frees. */
double *draw_many(uint64_t seed, size_t count);

/* A builder with `rows` drawn rows in every head, and a release of one. */
dpattn_builder builder_with_rows(const dpattn_params *params, int64_t rows);
dpattn_release release_of(const dpattn_params *params, int64_t rows, dpattn_budget budget);

/* The whole answer of a function with a buffer, in memory that the caller frees. */
typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;
bytes answer_of(int32_t (*function)(uint64_t, void *, size_t, size_t *, dpattn_error *), uint64_t handle);
bytes export_of(dpattn_builder builder);
bytes save_of(dpattn_release release);
/* The same of one that writes text. */
char *text_of(int32_t (*function)(uint64_t, char *, size_t, size_t *, dpattn_error *), uint64_t handle);
dpattn_info info_of(dpattn_release release);
dpattn_diagnostics diagnostics_of(dpattn_builder builder);
int same_bytes(bytes a, bytes b);
/* Two secret partials of the same rows: the same bytes but for the random origins, and the
 * checksum, which they enter (docs/formats.md). */
int same_rows(bytes a, bytes b);

#endif
