/* What the C and the Go half of this library share. Everything here is hidden: exports.map lets out
 * only the functions of dpattn.h. */
#ifndef DPATTN_CAPI_INTERNAL_H
#define DPATTN_CAPI_INTERNAL_H

#include "dpattn.h"
#include "generated.h"

#if defined(_WIN32)
#define CAPI_HIDDEN
#else
#define CAPI_HIDDEN __attribute__((visibility("hidden")))
#endif

/* Non-zero in a process made by fork() after the library was loaded. */
CAPI_HIDDEN extern int capi_forked;

/* Says so, and returns FORKED. */
CAPI_HIDDEN int32_t capi_refuse_child(dpattn_error *err);

/* Puts a status and its text into a caller's error struct, as far as its `size` reaches. */
CAPI_HIDDEN void capi_set_error(dpattn_error *err, int32_t status, const char *text, size_t length);

/* Polls the cancel flag, then reports; says whether the caller wants to stop. */
CAPI_HIDDEN int capi_wants_stop(const dpattn_progress *progress, uint64_t done, uint64_t total);

#endif
