// merge: attention over disjoint key sets.
#pragma once

#include "dpattn.h"
#include "dpattn/call.hpp"

#include <cstdint>

namespace dpattn {

/// Merges two partial attention results over disjoint key sets (a private context and a public
/// one):
///     out = (e^lse_a out_a + e^lse_b out_b) / (e^lse_a + e^lse_b),  lse = ln(e^lse_a + e^lse_b)
/// Shapes: out_* [(heads,) m, value_dim], lse_* [(heads,) m, 1]. `out` may be out_a or out_b, `lse`
/// may be lse_a or lse_b. An lse of -inf means an empty set.
/// Errors: invalid_argument.
inline Result<> try_merge(const Input &out_a, const Input &lse_a, const Input &out_b, const Input &lse_b,
                          const Output &out, const Output &lse = {}) noexcept
{
    if (Failure f = detail::check({{out_a.view(), "out_a"},
                                   {lse_a.view(), "lse_a"},
                                   {out_b.view(), "out_b"},
                                   {lse_b.view(), "lse_b"},
                                   {out.view(), "out"},
                                   {lse.view(), "lse"}});
        !f.ok()) {
        return f;
    }
    detail::ErrorText text;
    const std::int32_t code = dpattn_merge(&out_a.view().raw, &lse_a.view().raw, &out_b.view().raw, &lse_b.view().raw,
                                           out.pointer(), lse.pointer(), &text);
    return detail::outcome(code, text);
}
inline void merge(const Input &out_a, const Input &lse_a, const Input &out_b, const Input &lse_b, const Output &out,
                  const Output &lse = {})
{
    try_merge(out_a, lse_a, out_b, lse_b, out, lse).value();
}

} // namespace dpattn
