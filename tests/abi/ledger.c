/* Ledgers: a budget is spent once, a label names one release, and what is refused changes
 * nothing. */
#include "abi.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[4096];

/* A file name that nothing has. */
static const char *fresh_path(void)
{
    static int counter;
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/dpattn-%ld-%d.ledger", folder ? folder : "/tmp", (long)getpid(), counter++);
    unlink(path);
    return path;
}

static dpattn_allowance typical_allowance(void)
{
    dpattn_allowance allowance = { sizeof allowance, 0, 2, 1e-5, 0, 0, 0 };
    return allowance;
}

static dpattn_ledger typical_ledger(void)
{
    dpattn_allowance allowance = typical_allowance();
    dpattn_ledger ledger = 0;
    OK(dpattn_ledger_create(fresh_path(), &allowance, &ledger, &err));
    return ledger;
}

static int shows(dpattn_ledger ledger, const char *what)
{
    char *json = text_of(dpattn_ledger_show, ledger);
    int found = strstr(json, what) != NULL;
    free(json);
    return found;
}

TEST(ledger_spends_once)
{
    dpattn_params params = typical_params();
    dpattn_budget budget = typical_budget(), all = { sizeof all, 0, 2, 1e-5 };
    dpattn_ledger ledger = typical_ledger(), second = 0;
    dpattn_builder first = builder_with_rows(&params, 5), again = builder_with_rows(&params, 5);
    dpattn_release release = 0, same = 0, loaded = 0;
    CHECK(shows(ledger, "\"releases\": []") && shows(ledger, "\"adjacency\": null"));
    OK(dpattn_ledger_release(ledger, "v1", first, &budget, NULL, &release, &err));
    CHECK(shows(ledger, "\"label\": \"v1\"") && shows(ledger, "\"adjacency\": \"add_remove\""));
    FAILS(DPATTN_CONSUMED, "builder", dpattn_ledger_release(ledger, "v2", first, &budget, NULL, &same, &err));

    /* The same label through another handle: the same bytes. */
    OK(dpattn_ledger_open(path, &second, &err));
    CHECK(second != 0 && second != ledger);
    OK(dpattn_ledger_release(second, "v1", again, &budget, NULL, &same, &err));
    OK(dpattn_ledger_load(ledger, "v1", &loaded, &err));
    bytes a = save_of(release), b = save_of(same), c = save_of(loaded);
    CHECK(same_bytes(a, b) && same_bytes(a, c));
    free(a.data), free(b.data), free(c.data);

    /* Another budget under this label, and more than is left. The builder stays as it was. */
    dpattn_builder rest = builder_with_rows(&params, 5);
    bytes before = export_of(rest);
    dpattn_release none;
    dirty(&none, sizeof none);
    FAILS(DPATTN_MISMATCH, "label", dpattn_ledger_release(ledger, "v1", rest, &all, NULL, &none, &err));
    FAILS(DPATTN_OVERSPENT, "mu would be", dpattn_ledger_release(ledger, "v2", rest, &all, NULL, &none, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "label", dpattn_ledger_release(ledger, "a\nb", rest, &budget, NULL, &none, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "no release", dpattn_ledger_load(ledger, "v2", &none, &err));
    params.adjacency = DPATTN_REPLACE;
    dpattn_builder other = builder_with_rows(&params, 5);
    FAILS(DPATTN_MISMATCH, "adjacency", dpattn_ledger_release(ledger, "v2", other, &budget, NULL, &none, &err));
    CHECK(untouched(&none, sizeof none));
    bytes after = export_of(rest);
    CHECK(same_bytes(before, after));
    free(before.data), free(after.data);

    /* A label of its own. */
    OK(dpattn_ledger_release(ledger, NULL, rest, &budget, NULL, &none, &err));
    CHECK(shows(ledger, "\"number\": 2"));

    /* The file is for its owner alone, and is not replaced. */
    struct stat info;
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    dpattn_allowance allowance = typical_allowance();
    FAILS(DPATTN_IO, "exists", dpattn_ledger_create(path, &allowance, &second, &err));

    dpattn_builder_free(first, NULL), dpattn_builder_free(again, NULL), dpattn_builder_free(rest, NULL),
        dpattn_builder_free(other, NULL);
    dpattn_release_free(release, NULL), dpattn_release_free(same, NULL), dpattn_release_free(loaded, NULL),
        dpattn_release_free(none, NULL);
    OK(dpattn_ledger_close(ledger, &err));
    OK(dpattn_ledger_close(second, &err));
    unlink(path);
}

TEST(ledger_refuses)
{
    dpattn_params params = typical_params();
    dpattn_budget budget = typical_budget();
    dpattn_allowance allowance = typical_allowance(), bad;
    dpattn_ledger ledger, good = typical_ledger();
    dpattn_builder builder = builder_with_rows(&params, 3);
    dpattn_release release;
    size_t needed;
    char json[8];
    dirty(&ledger, sizeof ledger), dirty(&release, sizeof release), dirty(&needed, sizeof needed);
    FAILS(DPATTN_INVALID_ARGUMENT, "path", dpattn_ledger_create(NULL, &allowance, &ledger, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "allowance", dpattn_ledger_create("/nowhere", NULL, &ledger, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "ledger", dpattn_ledger_create("/nowhere", &allowance, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "path", dpattn_ledger_open(NULL, &ledger, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "ledger", dpattn_ledger_open(path, NULL, &err));
    FAILS(DPATTN_IO, "/nowhere/at/all", dpattn_ledger_create("/nowhere/at/all", &allowance, &ledger, &err));
    FAILS(DPATTN_IO, "/nowhere/at/all", dpattn_ledger_open("/nowhere/at/all", &ledger, &err));
    FAILS(DPATTN_IO, "regular", dpattn_ledger_open("/dev/null", &ledger, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "release", dpattn_ledger_release(good, "a", builder, &budget, NULL, NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "budget", dpattn_ledger_release(good, "a", builder, NULL, NULL, &release, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "label", dpattn_ledger_load(good, NULL, &release, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "release", dpattn_ledger_load(good, "a", NULL, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "needed", dpattn_ledger_show(good, json, sizeof json, NULL, &err));
    FAILS(DPATTN_INVALID_HANDLE, "a builder",
          dpattn_ledger_release(builder, "a", builder, &budget, NULL, &release, &err));
    FAILS(DPATTN_INVALID_HANDLE, "a ledger", dpattn_ledger_release(good, "a", good, &budget, NULL, &release, &err));
    FAILS(DPATTN_INVALID_HANDLE, "ledger", dpattn_ledger_load(0, "a", &release, &err));
    FAILS(DPATTN_INVALID_HANDLE, "ledger", dpattn_ledger_show(0, NULL, 0, &needed, &err));
    FAILS(DPATTN_INVALID_HANDLE, "ledger", dpattn_ledger_close(0, &err));

    bad = allowance, bad.reserved = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "reserved", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    bad = allowance, bad.mu = 1;
    FAILS(DPATTN_INVALID_ARGUMENT, "mu", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    bad = allowance, bad.epsilon = 0;
    FAILS(DPATTN_INVALID_ARGUMENT, "epsilon", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    bad = allowance, bad.other_epsilon = 3;
    FAILS(DPATTN_INVALID_ARGUMENT, "other_epsilon", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    bad = allowance, bad.other_delta = NAN;
    FAILS(DPATTN_INVALID_ARGUMENT, "other_delta", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    bad = (dpattn_allowance){ sizeof bad, 0, 0, 0, INFINITY, 0, 0 };
    FAILS(DPATTN_INVALID_ARGUMENT, "mu", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    bad.struct_size = 3;
    FAILS(DPATTN_INVALID_ARGUMENT, "struct_size", dpattn_ledger_create("/nowhere", &bad, &ledger, &err));
    CHECK(untouched(&ledger, sizeof ledger) && untouched(&release, sizeof release) &&
          untouched(&needed, sizeof needed));

    OK(dpattn_ledger_close(good, &err));
    FAILS(DPATTN_INVALID_HANDLE, "freed", dpattn_ledger_close(good, &err));
    bad = (dpattn_allowance){ sizeof bad, 0, 0, 0, 1, 0, 0 };
    OK(dpattn_ledger_create(fresh_path(), &bad, &ledger, &err));
    CHECK(shows(ledger, "\"epsilon\": null"));

    /* A damaged file is CORRUPT, also through a handle from before. */
    int file = open(path, O_RDWR);
    CHECK(file >= 0 && pwrite(file, "damage", 6, 4096 + 40) == 6 && close(file) == 0);
    FAILS(DPATTN_CORRUPT, "", dpattn_ledger_load(ledger, "a", &release, &err));
    CHECK(truncate(path, 100) == 0);
    FAILS(DPATTN_CORRUPT, "", dpattn_ledger_release(ledger, "a", builder, &budget, NULL, &release, &err));
    CHECK(truncate(path, 1 << 20) == 0);
    FAILS(DPATTN_CORRUPT, "", dpattn_ledger_show(ledger, NULL, 0, &needed, &err));
    OK(dpattn_ledger_close(ledger, &err));
    dpattn_builder_free(builder, NULL);
    unlink(path);
}

/* A child that is forked while a ledger is open elsewhere is FORKED, and leaves the lock to the
 * parent. */
TEST(ledger_and_fork)
{
    dpattn_ledger ledger = typical_ledger();
    pid_t child = fork();
    if (child == 0) {
        dpattn_ledger other;
        size_t needed;
        dpattn_allowance allowance = typical_allowance();
        int fine = dpattn_ledger_open(path, &other, NULL) == DPATTN_FORKED &&
                   dpattn_ledger_show(ledger, NULL, 0, &needed, NULL) == DPATTN_FORKED &&
                   dpattn_ledger_create("/nowhere", &allowance, &other, NULL) == DPATTN_FORKED &&
                   dpattn_ledger_close(ledger, NULL) == DPATTN_FORKED;
        dpattn_release release;
        dpattn_budget budget = typical_budget();
        fine = fine && dpattn_ledger_release(ledger, "a", 0, &budget, NULL, &release, NULL) == DPATTN_FORKED &&
               dpattn_ledger_load(ledger, "a", &release, NULL) == DPATTN_FORKED;
        _exit(fine ? 0 : 1);
    }
    int state = 0;
    CHECK(child > 0 && waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0);
    CHECK(shows(ledger, "\"releases\": []"));
    OK(dpattn_ledger_close(ledger, &err));
    unlink(path);
}
