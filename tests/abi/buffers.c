/* The four functions that fill a caller's buffer, with capacities of all sizes. */
#include "abi.h"

enum { MARGIN = 64 };

static dpattn_builder a_builder;
static dpattn_release a_release;

/* One of the functions, with capacity in elements of `unit` bytes. */
typedef struct source {
    const char *name;
    size_t unit;
    int32_t (*call)(void *data, size_t capacity, size_t *needed);
} source;

static int32_t call_export(void *data, size_t capacity, size_t *needed)
{
    return dpattn_builder_export_secret(a_builder, data, capacity, needed, &err);
}

static int32_t call_save(void *data, size_t capacity, size_t *needed)
{
    return dpattn_release_save(a_release, data, capacity, needed, &err);
}

static int32_t call_state(void *data, size_t capacity, size_t *needed)
{
    return dpattn_release_state(a_release, data, capacity, needed, &err);
}

static int32_t call_certificate(void *data, size_t capacity, size_t *needed)
{
    return dpattn_release_certificate(a_release, data, capacity, needed, &err);
}

static void check_buffer(source s)
{
    size_t needed = 0, again = 0;
    FAILS(DPATTN_BUFFER_TOO_SMALL, "capacity", s.call(NULL, 0, &needed));
    CHECK(needed > 0);
    size_t size = needed * s.unit;
    unsigned char *want = malloc(size), *got = malloc(size + MARGIN);

    /* Too small: nothing is written. */
    dirty(got, size + MARGIN);
    size_t small[] = { 0, 1, needed / 2, needed - 1 };
    for (size_t i = 0; i < 4; i++) {
        again = 0;
        FAILS(DPATTN_BUFFER_TOO_SMALL, "capacity", s.call(got, small[i], &again));
        CHECK(again == needed);
    }
    CHECK(untouched(got, size + MARGIN));

    /* Exact. */
    again = 0;
    OK(s.call(got, needed, &again));
    CHECK(again == needed);
    CHECK(untouched(got + size, MARGIN));
    memcpy(want, got, size);

    /* Roomy, and as large as can be said: the same bytes and none beyond. */
    size_t large[] = { needed + MARGIN / s.unit, SIZE_MAX / 2, SIZE_MAX };
    for (size_t i = 0; i < 3; i++) {
        dirty(got, size + MARGIN);
        OK(s.call(got, large[i], &again));
        CHECK(again == needed);
        CHECK(memcmp(got, want, size) == 0);
        CHECK(untouched(got + size, MARGIN));
    }

    dirty(&again, sizeof again);
    FAILS(DPATTN_INVALID_ARGUMENT, s.name, s.call(NULL, needed, &again));
    CHECK(untouched(&again, sizeof again));
    dirty(got, size);
    FAILS(DPATTN_INVALID_ARGUMENT, "needed", s.call(got, needed, NULL));
    CHECK(untouched(got, size));
    free(want);
    free(got);
}

TEST(buffers)
{
    dpattn_params params = typical_params();
    a_builder = builder_with_rows(&params, 10);
    a_release = release_of(&params, 10, typical_budget());
    check_buffer((source){ "data", 1, call_export });
    check_buffer((source){ "data", 1, call_save });
    check_buffer((source){ "state", sizeof(int64_t), call_state });
    check_buffer((source){ "json", 1, call_certificate });
    OK(dpattn_builder_free(a_builder, &err));
    OK(dpattn_release_free(a_release, &err));
}
