#include "internal.h"

int capi_wants_stop(const dpattn_progress *progress, uint64_t done, uint64_t total)
{
    /* Another thread or a signal handler may set the flag at any time. */
    if (progress->cancel != NULL && __atomic_load_n(progress->cancel, __ATOMIC_RELAXED) != 0)
        return 1;
    return progress->callback != NULL && progress->callback(progress->user, done, total) != 0;
}
