/* The visible functions. Those that need the Go runtime are a fork check and a jump to the Go
 * export of the same type. */

#include "_cgo_export.h"
#include "internal.h"

int32_t capi_refuse_child(dpattn_error *err)
{
    static const char text[] =
        "this process was made by fork(); load the library after exec, or use spawn or forkserver";
    capi_set_error(err, DPATTN_FORKED, text, sizeof text - 1);
    return DPATTN_FORKED;
}

#define STRING(x) #x
#define DOTTED(major, minor, patch) STRING(major) "." STRING(minor) "." STRING(patch)

uint32_t dpattn_version(void)
{
    return (uint32_t)DPATTN_VERSION_MAJOR << 16 | DPATTN_VERSION_MINOR << 8 | DPATTN_VERSION_PATCH;
}

const char *dpattn_version_string(void)
{
    return DOTTED(DPATTN_VERSION_MAJOR, DPATTN_VERSION_MINOR, DPATTN_VERSION_PATCH);
}

const char *dpattn_build_info(void)
{
    extern __typeof__(dpattn_build_info) go_dpattn_build_info;
    return capi_forked ? NULL : go_dpattn_build_info();
}

const char *dpattn_status_string(int32_t status)
{
    switch ((enum dpattn_status)status) {
#define STATUS(name) case DPATTN_##name: return #name;
        CAPI_STATUSES(STATUS)
    }
    return "UNKNOWN";
}

/* The declaration makes the compiler compare the Go export's type, from _cgo_export.h, with the
 * prototype in dpattn.h. */
#define ENTER(function, parameters, arguments)         \
    int32_t function parameters                        \
    {                                                  \
        extern __typeof__(function) go_##function;     \
        if (capi_forked)                               \
            return capi_refuse_child(err);             \
        capi_set_error(err, DPATTN_OK, "", 0);         \
        return go_##function arguments;                \
    }

CAPI_ENTRIES(ENTER)
