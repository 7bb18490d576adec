/* The table of functions for hosts that load this library with dlopen. */

#include "internal.h"

#include <stdio.h>
#include <string.h>

#define SLOT(function) .function = dpattn_##function,

/* The compiler compares each slot's type with the prototype. */
static const dpattn_plugin_v1 functions = {
    .struct_size = sizeof functions,
    .abi_version = DPATTN_PLUGIN_ABI,
    CAPI_SLOTS(SLOT)
};

/* Where the functions begin. */
enum { NUMBERS = offsetof(dpattn_plugin_v1, plan) };

static int32_t refuse(dpattn_error *err, int32_t status, const char *format, unsigned long long was,
                      unsigned long long must)
{
    char text[200];
    snprintf(text, sizeof text, format, was, must);
    capi_set_error(err, status, text, strlen(text));
    return status;
}

int32_t dpattn_plugin_init(uint32_t abi_version, void *table, size_t table_size, dpattn_error *err)
{
    if (capi_forked)
        return capi_refuse_child(err);
    if (abi_version != DPATTN_PLUGIN_ABI)
        return refuse(err, DPATTN_UNSUPPORTED, "abi_version is %llu; this library knows %llu", abi_version,
                      DPATTN_PLUGIN_ABI);
    if (table == NULL)
        return refuse(err, DPATTN_INVALID_ARGUMENT, "table is NULL; it must be the place for a dpattn_plugin_v1",
                      0, 0);
    if (table_size < NUMBERS)
        return refuse(err, DPATTN_INVALID_ARGUMENT,
                      "table_size is %llu; it must be sizeof(dpattn_plugin_v1), at least %llu", table_size, NUMBERS);

    /* No half pointer, and NULL for what a newer header's table has more. */
    size_t filled = sizeof functions;
    if (table_size < filled)
        filled = table_size - (table_size - NUMBERS) % sizeof(void *);
    memcpy(table, &functions, filled);
    memset((char *)table + filled, 0, table_size - filled);
    uint32_t struct_size = (uint32_t)filled;
    memcpy(table, &struct_size, sizeof struct_size);
    capi_set_error(err, DPATTN_OK, "", 0);
    return DPATTN_OK;
}
