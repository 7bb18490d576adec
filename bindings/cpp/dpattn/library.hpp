// The library itself: version, threads, plans.
#pragma once

#include "dpattn.h"
#include "dpattn/params.hpp"

#include <cstdint>
#include <string_view>

namespace dpattn {

/// (major << 16) | (minor << 8) | patch of the library in memory.
inline std::uint32_t version() noexcept { return dpattn_version(); }
/// "major.minor.patch"; static.
inline std::string_view version_string() noexcept { return dpattn_version_string(); }
/// JSON object: version, go, os, arch, simd, kernels, threads; static. Empty in a forked child.
inline std::string_view build_info() noexcept
{
    const char *json = dpattn_build_info();
    return json == nullptr ? std::string_view() : std::string_view(json);
}

/// Threads for long work, process-wide; 0: the default. Results do not depend on it.
/// Errors: invalid_argument.
inline Result<> try_set_threads(std::int32_t threads) noexcept
{
    detail::ErrorText text;
    const std::int32_t code = dpattn_set_threads(threads, &text);
    return detail::outcome(code, text);
}
inline void set_threads(std::int32_t threads) { try_set_threads(threads).value(); }

/// What a release of `rows` rows (a public guess) would cost and how accurate it would be; needs no
/// data. `target_error` is a wanted standard deviation of an output coordinate in units of a value
/// (answered by rows_for_error), or 0. params.degree 0 lets the plan choose. Errors:
/// invalid_argument, limit.
inline Result<PlanResult> try_plan(const Params &params, std::uint64_t rows, const Budget &budget,
                                   double target_error = 0) noexcept
{
    dpattn_params c;
    if (Failure f = detail::to_c(params, c); !f.ok()) {
        return f;
    }
    const dpattn_budget b = detail::to_c(budget);
    PlanResult result{};
    result.struct_size = static_cast<std::uint32_t>(sizeof(result));
    detail::ErrorText text;
    const std::int32_t code = dpattn_plan(&c, rows, &b, target_error, &result, &text);
    if (code != DPATTN_OK) {
        return detail::outcome(code, text);
    }
    return result;
}
inline PlanResult plan(const Params &params, std::uint64_t rows, const Budget &budget, double target_error = 0)
{
    return try_plan(params, rows, budget, target_error).value();
}

} // namespace dpattn
