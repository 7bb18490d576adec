/* Functions about the library itself. */
#include "abi.h"

TEST(version)
{
    CHECK(dpattn_version() ==
          ((uint32_t)DPATTN_VERSION_MAJOR << 16 | DPATTN_VERSION_MINOR << 8 | DPATTN_VERSION_PATCH));
    char dotted[40];
    snprintf(dotted, sizeof dotted, "%d.%d.%d", DPATTN_VERSION_MAJOR, DPATTN_VERSION_MINOR, DPATTN_VERSION_PATCH);
    CHECK(strcmp(dpattn_version_string(), dotted) == 0);
}

TEST(build_info)
{
    const char *info = dpattn_build_info();
    CHECK(info != NULL && info == dpattn_build_info());
    static const char *const fields[] = { "version", "go", "os", "arch", "simd", "kernels", "threads" };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char quoted[32];
        snprintf(quoted, sizeof quoted, "\"%s\":", fields[i]);
        if (strstr(info, quoted) == NULL)
            printf("build_info lacks %s: %s\n", quoted, info);
        CHECK(strstr(info, quoted) != NULL);
    }
    /* The Go half and the header are of one version. */
    CHECK(strstr(info, dpattn_version_string()) != NULL);
}

TEST(status_string)
{
    static const char *const names[] = { "OK",
                                         "INVALID_ARGUMENT",
                                         "INVALID_HANDLE",
                                         "CONSUMED",
                                         "BUFFER_TOO_SMALL",
                                         "OUT_OF_MEMORY",
                                         "CANCELLED",
                                         "FORKED",
                                         "CORRUPT",
                                         "UNSUPPORTED",
                                         "MISMATCH",
                                         "ENTROPY",
                                         "LIMIT",
                                         "INTERNAL",
                                         "OVERSPENT",
                                         "BUSY",
                                         "IO" };
    for (int32_t i = 0; i < (int32_t)(sizeof names / sizeof *names); i++)
        CHECK(strcmp(dpattn_status_string(i), names[i]) == 0);
    CHECK(strcmp(dpattn_status_string(-1), "UNKNOWN") == 0);
    CHECK(strcmp(dpattn_status_string(DPATTN_IO + 1), "UNKNOWN") == 0);
    CHECK(strcmp(dpattn_status_string(INT32_MIN), "UNKNOWN") == 0);
}

TEST(set_threads)
{
    FAILS(DPATTN_INVALID_ARGUMENT, "threads", dpattn_set_threads(-1, &err));
    FAILS(DPATTN_INVALID_ARGUMENT, "threads", dpattn_set_threads(4097, &err));
    CHECK(dpattn_set_threads(-1, NULL) == DPATTN_INVALID_ARGUMENT);
    OK(dpattn_set_threads(4096, &err));
    OK(dpattn_set_threads(1, &err));
    OK(dpattn_set_threads(0, &err));
}
