/* No two releases share their noise, and without the kernel's randomness there is none: releases of
 * the same rows and budget, made by 64 threads at once, and in processes that the threads' process
 * forks, which ask in the fork (FORKED) and again after exec.
 *     repeats         60 processes; 1,000 with DPATTN_AUDIT=1
 *     repeats one     one release; writes its id and the beginning of its state to stdout
 *     repeats broken  the same where the kernel refuses randomness: it must end with an error that
 *                     says so */
#define _GNU_SOURCE
#include "dpattn.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

enum { THREADS = 64, EACH = 5, NUMBERS = 4, MOST = 1000 };

/* What is compared: four coordinates at sigma above 2^33 agree by chance once in 2^130 pairs. */
typedef struct sample {
    uint8_t id[16];
    int64_t state[NUMBERS];
} sample;

static sample samples[THREADS * EACH + MOST];

static int32_t draw(sample *out)
{
    static const double row[2] = { 0.5, 0.25 };
    dpattn_error err = DPATTN_ERROR_INIT;
    dpattn_params params;
    dpattn_builder builder = 0;
    dpattn_release release = 0;
    dpattn_info info = { .struct_size = sizeof info };
    dpattn_tensor tensor = { (void *)row, DPATTN_F64, 2, { 1, 2, 0 }, { sizeof row, sizeof *row, 0 } };
    dpattn_budget budget = { sizeof budget, 0, 0.01, 1e-6 };
    int64_t state[16];
    size_t needed;
    int32_t status = dpattn_params_init(&params, sizeof params, &err);
    params.key_dim = params.value_dim = 2;
    params.degree = 1;
    params.adjacency = DPATTN_ADD_REMOVE;
    params.key_bound = params.value_bound = params.query_bound = 1;
    if (status || (status = dpattn_builder_create(&params, &builder, &err)) ||
        (status = dpattn_builder_add(builder, 0, &tensor, &tensor, NULL, NULL, &err)) ||
        (status = dpattn_builder_release(builder, &budget, NULL, &release, &err)) ||
        (status = dpattn_release_info(release, &info, &err)) ||
        (status = dpattn_release_state(release, state, sizeof state / sizeof *state, &needed, &err)))
        return status;
    memcpy(out->id, info.id, sizeof out->id);
    memcpy(out->state, state, sizeof out->state);
    dpattn_release_free(release, NULL);
    return dpattn_builder_free(builder, &err);
}

static int write_one(void)
{
    sample one;
    int32_t status = draw(&one);
    if (status != DPATTN_OK) {
        fprintf(stderr, "no release: %s\n", status == DPATTN_ENTROPY ? "no randomness" : dpattn_status_string(status));
        return 3;
    }
    return write(1, &one, sizeof one) == (ssize_t)sizeof one ? 0 : 4;
}

/* From here on the kernel answers EIO to every thread that asks for randomness or opens a file,
 * such as /dev/urandom: exit code 77 where that cannot be had. */
static int write_without_randomness(void)
{
#if defined(__linux__) && defined(SYS_getrandom) && defined(SYS_openat) && defined(SYS_seccomp)
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof rules / sizeof *rules, rules };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0)
        return write_one();
#endif
    return 77;
}

static void *draw_some(void *first)
{
    for (int i = 0; i < EACH; i++)
        if (draw((sample *)first + i) != DPATTN_OK)
            exit(1);
    return NULL;
}

/* Runs this program with one argument in a forked child, in which the library first has to answer
 * FORKED; returns how many bytes it wrote to stdout and stderr. */
static long run(const char *self, const char *what, void *out, long room, int *status)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        sample never;
        if (draw(&never) != DPATTN_FORKED)
            _exit(5);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl(self, self, what, (char *)NULL);
        _exit(6);
    }
    close(ends[1]);
    long size = 0, n;
    while (size < room && (n = read(ends[0], (char *)out + size, (size_t)(room - size))) > 0)
        size += n;
    close(ends[0]);
    return child > 0 && waitpid(child, status, 0) == child ? size : -1;
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, sizeof samples->id); }
static int by_state(const void *a, const void *b)
{
    return memcmp(((const sample *)a)->state, ((const sample *)b)->state, sizeof samples->state);
}

static int repeated(int count, int (*order)(const void *, const void *))
{
    int same = 0;
    qsort(samples, (size_t)count, sizeof *samples, order);
    for (int i = 1; i < count; i++)
        same += order(&samples[i - 1], &samples[i]) == 0;
    return same;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return strcmp(argv[1], "broken") == 0 ? write_without_randomness() : write_one();
    const char *audit = getenv("DPATTN_AUDIT");
    int processes = audit && *audit ? MOST : 60, failed = 0, status = 0;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        failed += pthread_create(&threads[i], NULL, draw_some, &samples[i * EACH]) != 0;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int count = THREADS * EACH;
    for (int i = 0; i < processes; i++)
        if (run(argv[0], "one", &samples[count], sizeof *samples, &status) == (long)sizeof *samples && status == 0)
            count++;
        else
            failed++;
    char words[1024] = { 0 };
    run(argv[0], "broken", words, sizeof words - 1, &status);
    int skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
    /* The library's error or the runtime's; never an answer. */
    int closed = status != 0 && strstr(words, "random") != NULL;
    int ids = repeated(count, by_id), states = repeated(count, by_state);
    printf("repeats: %d releases by %d threads and %d processes, %d ids and %d states twice, %d failures; without "
           "randomness %s\n",
           count, THREADS, processes, ids, states, failed,
           skipped ? "not tried" : closed ? "no release" : "SOMETHING ELSE");
    return failed || ids || states || count != THREADS * EACH + processes || !(skipped || closed);
}
