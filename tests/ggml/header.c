/* The adapter is a translation unit by itself, without prototypes too, and may be included twice.
 * `make ggml` compiles this as C99 and as C++17. */
#define DPATTN_NO_PROTOTYPES
#include "dpattn-ggml.h"
#include "dpattn-ggml.h"
