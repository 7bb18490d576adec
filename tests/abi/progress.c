/* Progress reports and cancelling, by callback and by flag, of adding and of releasing. */
#include "abi.h"

#include <pthread.h>

enum { ROWS = 5000 };

typedef struct watch {
    pthread_t caller;
    uint64_t done, total;
    int calls, stop_at;    /* stop_at: the call that cancels, by returning 1 or by setting the flag; 0: none */
    volatile int32_t *flag;
    int bad;               /* not monotone, beyond the total, or in another thread */
} watch;

static int32_t report(void *user, uint64_t done, uint64_t total)
{
    watch *w = user;
    w->bad |= !pthread_equal(pthread_self(), w->caller) || done > total ||
              (w->calls > 0 && (done < w->done || total != w->total));
    w->done = done;
    w->total = total;
    w->calls++;
    if (w->stop_at == 0 || w->calls != w->stop_at)
        return 0;
    if (w->flag == NULL)
        return 1;
    *w->flag = 1;
    return 0;
}

typedef struct work {
    dpattn_builder builder;
    double *keys, *values;
} work;

static work some_work(uint32_t owner_rows)
{
    dpattn_params params = typical_params();
    params.owner_rows = owner_rows;
    work w = { builder_with_rows(&params, 20), draw_many(41, ROWS * KEY_DIM), draw_many(42, ROWS * VALUE_DIM) };
    return w;
}

static int32_t add(const work *w, uint32_t owner_rows, const dpattn_progress *progress)
{
    static uint64_t owners[ROWS];
    dpattn_tensor k = matrix(w->keys, DPATTN_F64, ROWS, KEY_DIM), v = matrix(w->values, DPATTN_F64, ROWS, VALUE_DIM);
    return dpattn_builder_add(w->builder, 0, &k, &v, owner_rows ? owners : NULL, progress, &err);
}

static void check_cancel(uint32_t owner_rows)
{
    work w = some_work(owner_rows);
    bytes before = export_of(w.builder);
    volatile int32_t flag = 0;
    watch seen = { .caller = pthread_self() };
    dpattn_progress progress = { sizeof progress, 0, report, &seen, &flag };

    /* At the first report, in the middle, and at the last one: by return value and by flag. */
    int last = 1;
    for (int stop_at = 1; stop_at <= last; stop_at++) {
        for (int by_flag = 0; by_flag < 2; by_flag++) {
            flag = 0;
            seen = (watch){ .caller = pthread_self(), .stop_at = stop_at, .flag = by_flag ? &flag : NULL };
            int32_t status = (err = fresh_error(), add(&w, owner_rows, &progress));
            CHECK(!seen.bad);
            if (status == DPATTN_OK)
                goto finished; /* stop_at is past the last report, or the flag was set in it */
            CHECK(status == DPATTN_CANCELLED && err.code == DPATTN_CANCELLED);
            bytes after = export_of(w.builder);
            CHECK(same_bytes(before, after));
            free(after.data);
        }
        last = stop_at + 1;
    }
finished:
    CHECK(last > 3);

    /* A flag that is set beforehand is enough, without a callback. */
    OK(dpattn_builder_free(w.builder, &err));
    free(w.keys);
    free(w.values);
    w = some_work(owner_rows);
    flag = 1;
    dpattn_progress quiet = { sizeof quiet, 0, NULL, NULL, &flag };
    FAILS(DPATTN_CANCELLED, "cancel", add(&w, owner_rows, &quiet));
    bytes after = export_of(w.builder);
    CHECK(same_rows(before, after));
    free(after.data);

    /* The builder is as good as new: the same rows once more, now to the end, give what they give
     * without interruptions. */
    flag = 0;
    seen = (watch){ .caller = pthread_self() };
    OK(add(&w, owner_rows, &progress));
    CHECK(seen.calls > 0 && !seen.bad && seen.done == seen.total && seen.total == ROWS);
    bytes interrupted = export_of(w.builder);
    work plain = some_work(owner_rows);
    OK(add(&plain, owner_rows, NULL));
    bytes uninterrupted = export_of(plain.builder);
    CHECK(same_rows(interrupted, uninterrupted));

    free(before.data);
    free(interrupted.data);
    free(uninterrupted.data);
    free(w.keys);
    free(w.values);
    free(plain.keys);
    free(plain.values);
    OK(dpattn_builder_free(w.builder, &err));
    OK(dpattn_builder_free(plain.builder, &err));
}

TEST(cancel_add)
{
    check_cancel(0);
}

TEST(cancel_add_of_owners)
{
    check_cancel(ROWS);
}

TEST(cancel_release)
{
    work w = some_work(0);
    bytes before = export_of(w.builder);
    dpattn_budget budget = typical_budget();
    dpattn_release release;
    dirty(&release, sizeof release);
    volatile int32_t flag = 0;
    watch seen = { .caller = pthread_self(), .stop_at = 1 };
    dpattn_progress progress = { sizeof progress, 0, report, &seen, &flag };
    FAILS(DPATTN_CANCELLED, "cancel", dpattn_builder_release(w.builder, &budget, &progress, &release, &err));
    flag = 1;
    seen = (watch){ .caller = pthread_self() };
    FAILS(DPATTN_CANCELLED, "cancel", dpattn_builder_release(w.builder, &budget, &progress, &release, &err));
    CHECK(untouched(&release, sizeof release));
    bytes after = export_of(w.builder);
    CHECK(same_bytes(before, after));
    flag = 0;
    seen = (watch){ .caller = pthread_self() };
    OK(dpattn_builder_release(w.builder, &budget, &progress, &release, &err));
    CHECK(seen.calls > 0 && !seen.bad);
    free(before.data);
    free(after.data);
    free(w.keys);
    free(w.values);
    OK(dpattn_release_free(release, &err));
    OK(dpattn_builder_free(w.builder, &err));
}

/* A callback may call the library, about other objects. */
static int32_t busy_report(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    dpattn_info info = { .struct_size = sizeof info };
    dpattn_error error = DPATTN_ERROR_INIT;
    return dpattn_release_info(*(dpattn_release *)user, &info, &error);
}

TEST(callback_calls_the_library)
{
    dpattn_params params = typical_params();
    dpattn_release release = release_of(&params, 10, typical_budget());
    work w = some_work(0);
    dpattn_progress progress = { sizeof progress, 0, busy_report, &release, NULL };
    OK(add(&w, 0, &progress));
    free(w.keys);
    free(w.values);
    OK(dpattn_builder_free(w.builder, &err));
    OK(dpattn_release_free(release, &err));
}
