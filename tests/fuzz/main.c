/* Runs the inputs in the files named, and a number of pseudo-random ones, through a fuzz target:
 * where there is no libFuzzer.
 *     surface COUNT [FILE ...] */
#include "fuzz.h"

int main(int argc, char **argv)
{
    static uint8_t input[1 << 16];
    int files = 0;
    for (int i = 2; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (f == NULL)
            FAIL(argv[i]);
        LLVMFuzzerTestOneInput(input, fread(input, 1, sizeof input, f));
        fclose(f);
        files++;
    }
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    uint64_t x = 1;
    for (long i = 0; i < count; i++) {
        size_t size = 0;
        for (size_t most = 1 + (size_t)i % 600; size < most; size++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            input[size] = (uint8_t)(x >> 56);
        }
        LLVMFuzzerTestOneInput(input, size);
    }
    printf("fuzz: %d kept and %ld random inputs ran\n", files, count);
    return files + count == 0;
}
