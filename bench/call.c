/* What a call from C costs. Prints JSON: nanoseconds of a call with nothing to do (attend without
 * queries), of dpattn_release_info, and of one tiny query. */
#define _XOPEN_SOURCE 700
#include <dpattn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static dpattn_error err = DPATTN_ERROR_INIT;
static dpattn_release release;
static float q[4] = { 0.5F, 0.5F, 0.5F, 0.5F }, out[4];

static void check(int32_t status)
{
    if (status != DPATTN_OK) {
        fprintf(stderr, "call: %s\n", err.message);
        exit(1);
    }
}

static dpattn_tensor matrix(float *data, int64_t rows)
{
    dpattn_tensor t = { data, DPATTN_F32, 2, { rows, 4, 0 }, { 16, 4, 0 } };
    return t;
}

static void attend(int64_t rows)
{
    dpattn_tensor queries = matrix(q, rows), answers = matrix(out, rows);
    check(dpattn_release_attend(release, &queries, &answers, NULL, NULL, NULL, &err));
}

static void nothing(void) { attend(0); }
static void one(void) { attend(1); }

static void info(void)
{
    dpattn_info i = { .struct_size = sizeof i };
    check(dpattn_release_info(release, &i, &err));
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds a call: the median of short pieces, the first of which does not count. */
static double cost(void (*call)(void))
{
    enum { pieces = 101, count = 500 };
    double took[pieces];
    for (int k = 0; k < pieces; k++) {
        double start = now();
        for (int i = 0; i < count; i++)
            call();
        took[k] = (now() - start) / count;
    }
    qsort(took + 1, pieces - 1, sizeof *took, compare);
    return took[1 + (pieces - 1) / 2];
}

int main(void)
{
    static float keys[8][4] = { { 0.5F } };
    dpattn_tensor k = { keys, DPATTN_F32, 2, { 8, 4, 0 }, { 16, 4, 0 } };
    dpattn_budget budget = { sizeof budget, 0, 1.0, 1e-6 };
    dpattn_builder builder = 0;
    dpattn_params params;
    check(dpattn_params_init(&params, sizeof params, &err));
    params.key_dim = params.value_dim = 4;
    params.adjacency = DPATTN_ADD_REMOVE;
    params.key_bound = params.value_bound = params.query_bound = 1;
    check(dpattn_builder_create(&params, &builder, &err));
    check(dpattn_builder_add(builder, 0, &k, &k, NULL, NULL, &err));
    check(dpattn_builder_release(builder, &budget, NULL, &release, &err));
    check(dpattn_builder_free(builder, &err));
    double empty = cost(nothing), about = cost(info), tiny = cost(one);
    printf("{\"nothing_ns\": %.1f, \"info_ns\": %.1f, \"attend_ns\": %.1f}\n", empty, about, tiny);
    check(dpattn_release_free(release, &err));
    return 0;
}
