/* Many threads at once, most of them short-lived. */
#include "abi.h"

#include <pthread.h>

enum { THREADS = 64, WAVES = 10, QUERIES = 3 };

static dpattn_release a_release;
static double queries[QUERIES * KEY_DIM], want[QUERIES * VALUE_DIM];

static void attend_once(dpattn_release release)
{
    double out[QUERIES * VALUE_DIM];
    dpattn_tensor q = matrix(queries, DPATTN_F64, QUERIES, KEY_DIM), o = matrix(out, DPATTN_F64, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend(release, &q, &o, NULL, NULL, NULL, &err));
    CHECK(memcmp(out, want, sizeof out) == 0);
}

static void *attend_thread(void *unused)
{
    (void)unused;
    attend_once(a_release);
    return NULL;
}

static void prepare(dpattn_params params)
{
    a_release = release_of(&params, 50, typical_budget());
    uint64_t state = 51;
    for (int i = 0; i < QUERIES * KEY_DIM; i++)
        queries[i] = draw(&state);
    dpattn_tensor q = matrix(queries, DPATTN_F64, QUERIES, KEY_DIM), o = matrix(want, DPATTN_F64, QUERIES, VALUE_DIM);
    OK(dpattn_release_attend(a_release, &q, &o, NULL, NULL, NULL, &err));
}

static void run(void *(*body)(void *), int count)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, body, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

TEST(short_lived_threads)
{
    for (int mechanism = 0; mechanism < 2; mechanism++) {
        prepare(mechanism ? codebook_params(1) : typical_params());
        for (int wave = 0; wave < WAVES; wave++)
            run(attend_thread, THREADS);
        OK(dpattn_release_free(a_release, &err));
    }
}

/* The release is freed under its users: each call answers rightly or says INVALID_HANDLE. */
static void *attend_until_freed(void *number)
{
    if ((intptr_t)number == 0) {
        attend_once(a_release);
        OK(dpattn_release_free(a_release, &err));
        return NULL;
    }
    for (;;) {
        double out[QUERIES * VALUE_DIM];
        dpattn_tensor q = matrix(queries, DPATTN_F64, QUERIES, KEY_DIM),
                      o = matrix(out, DPATTN_F64, QUERIES, VALUE_DIM);
        dirty(out, sizeof out);
        err = fresh_error();
        int32_t status = dpattn_release_attend(a_release, &q, &o, NULL, NULL, NULL, &err);
        if (status == DPATTN_INVALID_HANDLE) {
            CHECK(untouched(out, sizeof out));
            return NULL;
        }
        CHECK(status == DPATTN_OK && memcmp(out, want, sizeof out) == 0);
    }
}

TEST(free_amid_calls)
{
    for (int round = 0; round < 20; round++) {
        prepare(round % 2 ? codebook_params(1) : typical_params());
        run(attend_until_freed, 16);
    }
}

/* One builder takes rows from many threads, which take turns; the sums are those of one thread. */
enum { ADDS = 40 };
static dpattn_builder a_builder;
static double *keys, *values;

static void *add_rows(void *number)
{
    for (int i = 0; i < ADDS; i++) {
        int at = ((int)(intptr_t)number * ADDS + i) * 2;
        dpattn_tensor k = matrix(keys + at * KEY_DIM, DPATTN_F64, 2, KEY_DIM),
                      v = matrix(values + at * VALUE_DIM, DPATTN_F64, 2, VALUE_DIM);
        OK(dpattn_builder_add(a_builder, 0, &k, &v, NULL, NULL, &err));
    }
    return NULL;
}

TEST(threads_share_a_builder)
{
    enum { USERS = 8 };
    dpattn_params params = typical_params();
    keys = draw_many(52, USERS * ADDS * 2 * KEY_DIM);
    values = draw_many(53, USERS * ADDS * 2 * VALUE_DIM);
    bytes sums[2];
    for (int threaded = 0; threaded < 2; threaded++) {
        OK(dpattn_builder_create(&params, &a_builder, &err));
        if (threaded)
            run(add_rows, USERS);
        else
            for (intptr_t i = 0; i < USERS; i++)
                add_rows((void *)i);
        sums[threaded] = export_of(a_builder);
        OK(dpattn_builder_free(a_builder, &err));
    }
    CHECK(same_rows(sums[0], sums[1]));
    free(sums[0].data);
    free(sums[1].data);
    free(keys);
    free(values);
}

/* Merging two builders into each other at once does not deadlock: one way wins. */
static dpattn_builder pair[2];
static int32_t pair_status[2];

static void *merge_pair(void *number)
{
    int i = (int)(intptr_t)number;
    pair_status[i] = dpattn_builder_merge(pair[i], pair[1 - i], NULL);
    return NULL;
}

TEST(merge_both_ways)
{
    dpattn_params params = typical_params();
    for (int round = 0; round < 50; round++) {
        pair[0] = builder_with_rows(&params, 2);
        pair[1] = builder_with_rows(&params, 2);
        run(merge_pair, 2);
        CHECK((pair_status[0] == DPATTN_OK && pair_status[1] == DPATTN_CONSUMED) ||
              (pair_status[0] == DPATTN_CONSUMED && pair_status[1] == DPATTN_OK));
        OK(dpattn_builder_free(pair[0], &err));
        OK(dpattn_builder_free(pair[1], &err));
    }
}

/* The sums do not depend on the number of threads inside. */
TEST(thread_counts)
{
    dpattn_params params = typical_params();
    bytes sums[3];
    static const int32_t counts[] = { 1, 2, 7 };
    for (int i = 0; i < 3; i++) {
        OK(dpattn_set_threads(counts[i], &err));
        dpattn_builder builder = builder_with_rows(&params, 1000);
        sums[i] = export_of(builder);
        OK(dpattn_builder_free(builder, &err));
    }
    OK(dpattn_set_threads(0, &err));
    CHECK(same_rows(sums[0], sums[1]) && same_rows(sums[0], sums[2]));
    for (int i = 0; i < 3; i++)
        free(sums[i].data);
}
