/* Exact attention as fast as we can make it, a peer of `make bench`: flash-decoding, that is, one
 * pass over keys and values with an online softmax, the keys cut into one part a thread and the
 * parts merged at the end. Keys lie in panels of 16, [n/16][d][16], so that 16 logits are d
 * multiply-adds without a horizontal sum; values are row-major, [n][dv]. d is any, dv is 64 and n
 * is a multiple of 16 (a shorter context is filled up with keys whose logits are -infinity: the
 * caller says how many keys count).
 *
 *   out[i] = sum_j exp(scale <q_i, k_j>) v_j / sum_j exp(scale <q_i, k_j>) */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LANES = 16, DV = 64, TILE = 256, GROUP = 6, MAX_THREADS = 256 };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int ivec __attribute__((vector_size(4 * LANES), aligned(4)));

static inline vec splat(float x)
{
    return (vec){ 0 } + x;
}

/* e^x for x <= 0: 2^round(y) times a polynomial of 2^(y - round(y)), y = x log2(e); relative error
 * below 3e-7. 0 below -87. */
static inline vec exponential(vec x)
{
    /* 1.5 * 2^23: adding it rounds to an integer, which then lies in the low bits. */
    const vec magic = splat(12582912.0F);
    ivec keep = x > splat(-87.0F);
    vec y = (vec)((ivec)x & keep) * 1.44269504F, whole = y + magic, f = y - (whole - magic);
    ivec power = (((ivec)whole - (ivec)magic) + 127) << 23;
    vec p = splat(1.5403530393e-4F);
    p = p * f + 1.3333558146e-3F;
    p = p * f + 9.6181291076e-3F;
    p = p * f + 5.5504108665e-2F;
    p = p * f + 2.4022650696e-1F;
    p = p * f + 6.9314718056e-1F;
    p = p * f + 1.0F;
    return (vec)((ivec)(p * (vec)power) & keep);
}

static inline float top(vec v)
{
    float m = v[0];
    for (int i = 1; i < LANES; i++)
        m = v[i] > m ? v[i] : m;
    return m;
}

static inline float total(vec v)
{
    float s = 0;
    for (int i = 0; i < LANES; i++)
        s += v[i];
    return s;
}

/* What a thread knows of one query: the largest logit, and sums relative to it. */
typedef struct {
    float most, weight, out[DV];
} partial;

#define INLINE static inline __attribute__((always_inline))

/* The logits of `panels` panels; count and panels are constants after inlining, and count * panels
 * accumulators hide the latency. */
INLINE void products(int count, int panels, const float *q, int d, const float *keys, float scale,
                     float (*logits)[TILE])
{
    vec acc[GROUP][8];
    for (int i = 0; i < count; i++)
        for (int p = 0; p < panels; p++)
            acc[i][p] = splat(0);
    for (int c = 0; c < d; c++)
        for (int p = 0; p < panels; p++) {
            vec k = *(const vec *)(keys + (size_t)(p * d + c) * LANES);
            for (int i = 0; i < count; i++)
                acc[i][p] += k * q[(size_t)i * d + c];
        }
    for (int i = 0; i < count; i++)
        for (int p = 0; p < panels; p++)
            *(vec *)(logits[i] + p * LANES) = acc[i][p] * scale;
}

/* out += sum_j weights[j] * values[j] over n rows. */
INLINE void mix(int count, const float (*weights)[TILE], const float *values, int n, vec (*out)[DV / LANES])
{
    for (int j = 0; j < n; j++) {
        vec v[DV / LANES];
        for (int c = 0; c < DV / LANES; c++)
            v[c] = *(const vec *)(values + (size_t)j * DV + c * LANES);
        for (int i = 0; i < count; i++)
            for (int c = 0; c < DV / LANES; c++)
                out[i][c] += v[c] * weights[i][j];
    }
}

/* One tile of at most TILE keys, of which `valid` count, for `count` queries. */
INLINE void tile(int count, const float *q, int d, const float *keys, const float *values, int n, int valid,
                 float scale, partial *state)
{
    const int panels = count == 1 ? 8 : count == 2 ? 4 : 2;
    float logits[GROUP][TILE];
    int done = 0;
    for (; done + panels * LANES <= n; done += panels * LANES)
        products(count, panels, q, d, keys + (size_t)done * d, scale, (float (*)[TILE])(logits[0] + done));
    for (; done < n; done += LANES)
        products(count, 1, q, d, keys + (size_t)done * d, scale, (float (*)[TILE])(logits[0] + done));
    for (int i = 0; i < count; i++) {
        for (int j = valid; j < n; j++)
            logits[i][j] = -INFINITY;
        vec m = splat(-INFINITY), sum = splat(0);
        for (int j = 0; j < n; j += LANES) {
            vec x = *(vec *)(logits[i] + j);
            ivec larger = x > m;
            m = (vec)(((ivec)x & larger) | ((ivec)m & ~larger));
        }
        float most = top(m);
        if (most > state[i].most) {
            float shrink = expf(state[i].most - most);
            state[i].most = most;
            state[i].weight *= shrink;
            for (int c = 0; c < DV; c++)
                state[i].out[c] *= shrink;
        }
        for (int j = 0; j < n; j += LANES) {
            vec w = exponential(*(vec *)(logits[i] + j) - state[i].most);
            *(vec *)(logits[i] + j) = w;
            sum += w;
        }
        state[i].weight += total(sum);
    }
    vec out[GROUP][DV / LANES];
    for (int i = 0; i < count; i++)
        for (int c = 0; c < DV / LANES; c++)
            out[i][c] = *(vec *)(state[i].out + c * LANES);
    mix(count, (const float (*)[TILE])logits, values, n, out);
    for (int i = 0; i < count; i++)
        for (int c = 0; c < DV / LANES; c++)
            *(vec *)(state[i].out + c * LANES) = out[i][c];
}

typedef struct {
    const float *q, *keys, *values;
    float *out;
    partial *state; /* [threads][batch] */
    long n;         /* keys that count */
    int batch, d, threads;
    float scale;
    atomic_int arrived, go, stop;
} job;

static void part(job *w, int thread)
{
    long tiles = (w->n + TILE - 1) / TILE, lo = tiles * thread / w->threads, hi = tiles * (thread + 1) / w->threads;
    partial *state = w->state + (size_t)thread * w->batch;
    for (int i = 0; i < w->batch; i++)
        state[i] = (partial){ .most = -INFINITY };
    for (long t = lo; t < hi; t++) {
        const float *keys = w->keys + (size_t)t * TILE * w->d, *values = w->values + (size_t)t * TILE * DV;
        int valid = w->n - t * TILE < TILE ? (int)(w->n - t * TILE) : TILE, n = (valid + LANES - 1) / LANES * LANES;
        for (int i = 0; i < w->batch; i += GROUP) {
            const float *q = w->q + (size_t)i * w->d;
            switch (w->batch - i) {
            case 1: tile(1, q, w->d, keys, values, n, valid, w->scale, state + i); break;
            case 2: tile(2, q, w->d, keys, values, n, valid, w->scale, state + i); break;
            case 3: tile(3, q, w->d, keys, values, n, valid, w->scale, state + i); break;
            case 4: tile(4, q, w->d, keys, values, n, valid, w->scale, state + i); break;
            case 5: tile(5, q, w->d, keys, values, n, valid, w->scale, state + i); break;
            default: tile(GROUP, q, w->d, keys, values, n, valid, w->scale, state + i);
            }
        }
    }
}

static void merge(job *w)
{
    for (int i = 0; i < w->batch; i++) {
        partial all = w->state[i];
        for (int t = 1; t < w->threads; t++) {
            const partial *p = &w->state[(size_t)t * w->batch + i];
            float most = fmaxf(all.most, p->most);
            float a = all.most > -INFINITY ? expf(all.most - most) : 0;
            float b = p->most > -INFINITY ? expf(p->most - most) : 0;
            all.most = most;
            all.weight = a * all.weight + b * p->weight;
            for (int c = 0; c < DV; c++)
                all.out[c] = a * all.out[c] + b * p->out[c];
        }
        for (int c = 0; c < DV; c++)
            w->out[(size_t)i * DV + c] = all.out[c] / all.weight;
    }
}

typedef struct {
    job *job;
    int thread;
} seat;

/* Threads wait by spinning, since nothing wakes faster, but let others run where there are more
 * threads than free processors. */
static void wait_until(atomic_int *count, int value, const atomic_int *stop)
{
    for (int spins = 1; atomic_load_explicit(count, memory_order_acquire) < value &&
                        !atomic_load_explicit(stop, memory_order_relaxed); spins++)
        if (spins % 4096 == 0)
            sched_yield();
}

static void *help(void *arg)
{
    seat *s = arg;
    for (int round = 1;; round++) {
        wait_until(&s->job->go, round, &s->job->stop);
        if (atomic_load(&s->job->stop))
            return NULL;
        part(s->job, s->thread);
        atomic_fetch_add_explicit(&s->job->arrived, 1, memory_order_release);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Answers the batch over and over for at least `seconds` and returns the seconds of one time: the
 * median of short pieces, as in samples/, the first of which does not count. Negative where it
 * cannot. */
double flash(const float *q, const float *keys, const float *values, float *out, long n, int batch, int d,
             float scale, int threads, double seconds)
{
    pthread_t helpers[MAX_THREADS];
    seat seats[MAX_THREADS];
    if (threads < 1 || threads > MAX_THREADS || n < 1)
        return -1;
    job w = { .q = q, .keys = keys, .values = values, .out = out, .n = n, .batch = batch, .d = d,
              .threads = threads, .scale = scale };
    w.state = aligned_alloc(64, ((size_t)threads * batch * sizeof *w.state + 63) / 64 * 64);
    if (!w.state)
        return -1;
    for (int t = 1; t < threads; t++) {
        seats[t] = (seat){ &w, t };
        if (pthread_create(&helpers[t], NULL, help, &seats[t]) != 0)
            return -1;
    }
    enum { MOST = 10000 };
    static double pieces[MOST];
    int count = 0;
    double start = now(), end = start;
    while (count < 2 || (count < MOST && end - start < seconds)) {
        long times = 0;
        double began = end;
        while (end - began < 1e-4) {
            atomic_store_explicit(&w.arrived, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&w.go, 1, memory_order_release);
            part(&w, 0);
            wait_until(&w.arrived, threads, &w.stop);
            merge(&w);
            times++;
            end = now();
        }
        pieces[count++] = (end - began) / (double)times;
    }
    qsort(pieces + 1, (size_t)count - 1, sizeof *pieces, compare);
    atomic_store(&w.stop, 1);
    for (int t = 1; t < threads; t++)
        pthread_join(helpers[t], NULL);
    free(w.state);
    return pieces[1 + (count - 1) / 2];
}
