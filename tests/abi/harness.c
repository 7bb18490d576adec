#include "abi.h"

#include <pthread.h>

/* In the order of the files, and of the tests in them. */
static test *first, **last = &first;

void add_test(test *added)
{
    *last = added;
    last = &added->next;
}

__thread dpattn_error err;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int failed_checks;

void check(int holds, const char *file, int line, const char *what)
{
    if (holds)
        return;
    pthread_mutex_lock(&lock);
    /* A broken loop would drown the first failures, which tell the most. */
    if (++failed_checks <= 20)
        printf("%s:%d: does not hold: %s\n", file, line, what);
    pthread_mutex_unlock(&lock);
}

void expect(int32_t got, int32_t want, const char *text, const dpattn_error *error, const char *file, int line,
            const char *call)
{
    int code_agrees = error->code == got;
    int terminated = memchr(error->message, 0, sizeof error->message) != NULL;
    int text_agrees = terminated && (want == DPATTN_OK ? error->message[0] == 0 : strstr(error->message, text) != NULL);
    if (got == want && code_agrees && text_agrees)
        return;
    char what[1200];
    snprintf(what, sizeof what, "%.400s\n  got %s (err.code %d) \"%.504s\", want %s and \"%.100s\"", call,
             dpattn_status_string(got), (int)error->code, terminated ? error->message : "not terminated",
             dpattn_status_string(want), text);
    check(0, file, line, what);
}

dpattn_error fresh_error(void)
{
    dpattn_error fresh;
    memset(&fresh, 0xA5, sizeof fresh);
    fresh.size = (uint32_t)sizeof fresh;
    return fresh;
}

void dirty(void *output, size_t size)
{
    memset(output, 0xA5, size);
}

int untouched(const void *output, size_t size)
{
    const unsigned char *byte = output;
    for (size_t i = 0; i < size; i++)
        if (byte[i] != 0xA5)
            return 0;
    return 1;
}

double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((int)(*state >> 56) - 128) / 128.0;
}

/* Arguments pick the tests whose names begin with one of them; none: all. */
static int wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(name, argv[i], strlen(argv[i])) == 0)
            return 1;
    return argc == 1;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const test *t = first; t != NULL; t = t->next) {
        if (!wanted(t->name, argc, argv))
            continue;
        failed_checks = 0;
        t->run();
        if (failed_checks == 0) {
            passed++;
        } else {
            failed++;
            printf("FAILED %s (%d checks)\n", t->name, failed_checks);
        }
    }
    printf("abi: %d passed, %d failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
