/* What a fuzz target and its two drivers, libFuzzer and main.c, share. */
#ifndef DPATTN_TESTS_FUZZ_H
#define DPATTN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fuzzer keeps the input that gets here. */
#define FAIL(what)                                                       \
    do {                                                                 \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, what);        \
        abort();                                                         \
    } while (0)

#endif
