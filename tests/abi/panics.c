/* A panic inside the library becomes INTERNAL. The one that a caller can cause is reading from a
 * small invalid address: callers are promised nothing about it, but here it stands for any bug. */
#include "abi.h"

/* Under sanitizers the bad address is found before Go is. */
#ifndef WITH_SANITIZERS
TEST(panic_in_attend)
{
    dpattn_params params = typical_params();
    dpattn_release release = release_of(&params, 5, typical_budget());
    double query[KEY_DIM] = { 0 }, out[VALUE_DIM];
    dpattn_tensor bad = matrix((void *)64, DPATTN_F64, 1, KEY_DIM), good = matrix(query, DPATTN_F64, 1, KEY_DIM);
    dpattn_tensor o = matrix(out, DPATTN_F64, 1, VALUE_DIM);
    dirty(out, sizeof out);
    FAILS(DPATTN_INTERNAL, "internal error", dpattn_release_attend(release, &bad, &o, NULL, NULL, NULL, &err));
    CHECK(untouched(out, sizeof out));
    OK(dpattn_release_attend(release, &good, &o, NULL, NULL, NULL, &err));
    OK(dpattn_release_free(release, &err));
}

/* The same in the library's own threads; and a builder whose sums may be wrong is consumed. */
TEST(panic_in_add)
{
    enum { ROWS = 5000 };
    dpattn_params params = typical_params();
    dpattn_builder builder = builder_with_rows(&params, 5), other = builder_with_rows(&params, 5);
    double value[VALUE_DIM] = { 0 };
    dpattn_tensor k = matrix((void *)64, DPATTN_F64, ROWS, KEY_DIM), v = matrix(value, DPATTN_F64, ROWS, VALUE_DIM);
    k.strides[0] = v.strides[0] = 0;
    FAILS(DPATTN_INTERNAL, "internal error", dpattn_builder_add(builder, 0, &k, &v, NULL, NULL, &err));
    dpattn_diagnostics diagnostics = { .struct_size = sizeof diagnostics };
    FAILS(DPATTN_CONSUMED, "builder", dpattn_builder_diagnostics(builder, &diagnostics, &err));
    OK(dpattn_builder_diagnostics(other, &diagnostics, &err));
    CHECK(diagnostics.rows == 5);
    OK(dpattn_builder_free(builder, &err));
    OK(dpattn_builder_free(other, &err));
}
#endif
