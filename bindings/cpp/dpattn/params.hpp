// Params and Budget, and the plain structs that answer.
#pragma once

#include "dpattn.h"
#include "dpattn/call.hpp"

#include <cstdint>
#include <vector>

namespace dpattn {

/// Neighbouring data sets; required, see dpattn.h.
enum class Adjacency : std::int32_t { unset = 0, add_remove = DPATTN_ADD_REMOVE, replace = DPATTN_REPLACE };
enum class Mechanism : std::int32_t {
    standard = DPATTN_MECHANISM_DEFAULT,
    gaussian = DPATTN_GAUSSIAN,
    dptree = DPATTN_DPTREE,
    codebook = DPATTN_CODEBOOK
};
/// Whether Mechanism::dptree keeps trees.
enum class Trees : std::int32_t { standard = DPATTN_TREES_DEFAULT, kept = DPATTN_TREES_KEPT, none = DPATTN_TREES_NONE };
/// Minimax (the default) when values matter, Taylor when only the arg-max does.
enum class Polynomial : std::int32_t {
    standard = DPATTN_POLYNOMIAL_DEFAULT,
    minimax = DPATTN_MINIMAX,
    taylor = DPATTN_TAYLOR
};
enum class Rotation : std::int32_t {
    standard = DPATTN_ROTATION_DEFAULT,
    hadamard = DPATTN_ROTATION_HADAMARD,
    none = DPATTN_ROTATION_NONE
};

/// PUBLIC parameters: none of them may be derived from the private data. Set at least key_dim,
/// value_dim, the three bounds and adjacency; for the others zero (or empty) means the default.
/// Ranges and meanings are in dpattn.h.
struct Params {
    std::uint32_t heads = 1;
    std::uint32_t key_dim = 0;
    std::uint32_t value_dim = 0;
    std::uint32_t degree = 0; ///< of the polynomial; features a head: C(key_dim + degree, degree)
    Mechanism mechanism = Mechanism::standard;
    Polynomial polynomial = Polynomial::standard;
    Adjacency adjacency = Adjacency::unset;
    std::uint32_t owner_rows = 0; ///< 0: the unit is a row; m >= 1: an owner, of whom at most m rows a head are kept
    Rotation rotation = Rotation::standard;
    double key_bound = 0;             ///< Euclidean norm of a (centred) key; longer keys are scaled to it
    double value_bound = 0;           ///< Euclidean norm of a value; longer values are scaled to it
    double query_bound = 0;           ///< Euclidean norm of a query; longer queries are scaled to it
    double scale = 0;                 ///< logit = scale * <q, k>; 0: 1/sqrt(key_dim)
    double lambda = 0;                ///< weight of the denominator, in units of a value
    std::vector<double> center; ///< empty, or heads * key_dim: a public vector subtracted from the keys of each head
    std::vector<double> head_weights; ///< empty (equal), or one positive weight a head
    double owner_bound = 0;           ///< rows' worth of norm that an owner's rows may add together; 0: owner_rows

    // Mechanism::dptree alone, which takes range and value_range instead of the three bounds; zero
    // otherwise.
    double range = 0;               ///< entries of keys and queries are in [0, range]; others are clipped
    double value_range = 0;         ///< entries of values are in [-value_range, value_range]; others are clipped
    double relative_error = 0;      ///< of the polynomial: chooses degree where that is 0; 0: 0.1
    double failure_probability = 0; ///< enters the default of copies, never the guarantee; 0: 0.01
    double copy_factor = 0;         ///< in the default of copies; 0: 1
    std::uint64_t rows = 0;         ///< a public number of rows, the default of leaves
    std::uint32_t leaves = 0;       ///< of the fixed grid; 0: rows
    std::uint32_t copies = 0;       ///< whose median answers; 0: the paper's formula
    Trees trees = Trees::standard;

    // Mechanism::codebook alone, which takes no query_bound, degree and center; empty and zero
    // otherwise.
    std::vector<double> codebook; ///< heads * cells * key_dim: centroids of public rows, NEVER of the private ones
    std::uint32_t cells = 0;      ///< centroids a head
};

/// What a release may cost. Brace-initialise it as {epsilon, delta}.
struct Budget {
    double epsilon = 0; ///< > 0
    double delta = 0;   ///< in (0, 1), well below 1 / number of units
};

/// Plain structs of dpattn.h, where every field is described.
using PlanResult = dpattn_plan_result;
using Diagnostics = dpattn_diagnostics;
using Info = dpattn_info;

namespace detail {

inline Failure to_c(const Params &params, dpattn_params &c) noexcept
{
    c = dpattn_params{};
    c.struct_size = static_cast<std::uint32_t>(sizeof(c));
    c.heads = params.heads;
    c.key_dim = params.key_dim;
    c.value_dim = params.value_dim;
    c.degree = params.degree;
    c.mechanism = static_cast<std::int32_t>(params.mechanism);
    c.polynomial = static_cast<std::int32_t>(params.polynomial);
    c.adjacency = static_cast<std::int32_t>(params.adjacency);
    c.owner_rows = params.owner_rows;
    c.rotation = static_cast<std::int32_t>(params.rotation);
    c.key_bound = params.key_bound;
    c.value_bound = params.value_bound;
    c.query_bound = params.query_bound;
    c.scale = params.scale;
    c.lambda = params.lambda;
    c.center = params.center.empty() ? nullptr : params.center.data();
    c.head_weights = params.head_weights.empty() ? nullptr : params.head_weights.data();
    c.owner_bound = params.owner_bound;
    c.range = params.range;
    c.value_range = params.value_range;
    c.relative_error = params.relative_error;
    c.failure_probability = params.failure_probability;
    c.copy_factor = params.copy_factor;
    c.rows = params.rows;
    c.leaves = params.leaves;
    c.copies = params.copies;
    c.trees = static_cast<std::int32_t>(params.trees);
    c.codebook = params.codebook.empty() ? nullptr : params.codebook.data();
    c.cells = params.cells;
    const std::size_t heads = params.heads == 0 ? 1 : params.heads;
    if (Failure f = check(params.center.size(), times(heads, params.key_dim), "center", "heads * key_dim"); !f.ok()) {
        return f;
    }
    const std::size_t numbers = times(times(heads, params.cells), params.key_dim);
    if (Failure f = check(params.codebook.size(), numbers, "codebook", "heads * cells * key_dim"); !f.ok()) {
        return f;
    }
    return check(params.head_weights.size(), heads, "head_weights", "heads");
}

inline dpattn_budget to_c(const Budget &budget) noexcept
{
    dpattn_budget c{};
    c.struct_size = static_cast<std::uint32_t>(sizeof(c));
    c.epsilon = budget.epsilon;
    c.delta = budget.delta;
    return c;
}

} // namespace detail

} // namespace dpattn
