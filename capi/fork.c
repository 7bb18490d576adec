#include "internal.h"

/* The Go runtime has threads, and a fork keeps only the caller's: a call into Go from a child would
 * wait for ever. So the child is marked here, and abi.c looks at the mark before it enters Go. */

int capi_forked;

#if !defined(_WIN32)
#include <pthread.h>

static void mark_child(void)
{
    capi_forked = 1;
}

__attribute__((constructor)) static void watch_forks(void)
{
    /* Without the handler a child could hang: a process that cannot have it gets no service. */
    if (pthread_atfork(NULL, NULL, mark_child) != 0)
        capi_forked = 1;
}
#endif
