/* The header is a translation unit by itself, and may be included twice. `make check` compiles this
 * as C99 and as C++17. */
#include "dpattn.h"
#include "dpattn.h"
