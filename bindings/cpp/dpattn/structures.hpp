// Tree and Distance (PUBLIC): range sums and distances on their own.
#pragma once

#include "dpattn.h"
#include "dpattn/params.hpp"
#include "dpattn/progress.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dpattn {

/// PUBLIC parameters of a Tree or a Distance; dpattn_structure_params has the meanings.
struct StructureParams {
    Adjacency adjacency = Adjacency::unset;
    std::uint32_t owner_rows = 0; ///< 0: the unit is a row; m >= 1: an owner, of whom the first m rows count
    std::uint32_t leaves = 0;     ///< places of a Tree's list, or points of a Distance's grid
    std::uint32_t dim = 0;        ///< Distance: dimension of points; 0: 1. Tree: 0
    bool squared = false;         ///< Distance: squared distances too
    double range = 0;             ///< Distance: entries of points are in [0, range]. Tree: 0
    double weight = 0;            ///< values and weights are in [-weight, weight]
};

using StructureInfo = dpattn_structure_info;

namespace detail {

inline dpattn_structure_params to_c(const StructureParams &params) noexcept
{
    dpattn_structure_params c{};
    c.struct_size = static_cast<std::uint32_t>(sizeof(c));
    c.adjacency = static_cast<std::int32_t>(params.adjacency);
    c.owner_rows = params.owner_rows;
    c.leaves = params.leaves;
    c.dim = params.dim;
    c.squared = params.squared ? 1 : 0;
    c.range = params.range;
    c.weight = params.weight;
    return c;
}

/// What both structures share: an owned handle and what can be asked of any of them.
template <class Self, auto Free, auto InfoOf, auto CertificateOf, auto Save, auto Load>
class Structure {
public:
    /// From the bytes of its file. Errors: invalid_argument, corrupt, unsupported, out_of_memory.
    static Result<Self> try_from_bytes(span<const std::byte> bytes) noexcept
    {
        ErrorText text;
        std::uint64_t handle = 0;
        const std::int32_t code = Load(bytes.data(), bytes.size(), &handle, &text);
        if (code != DPATTN_OK) {
            return outcome(code, text);
        }
        return Self(Handle<Free>(handle));
    }
    static Self from_bytes(span<const std::byte> bytes) { return try_from_bytes(bytes).value(); }

    /// The bytes of its file, the same on every machine. Errors: invalid_handle, out_of_memory.
    Result<std::vector<std::byte>> try_to_bytes() const noexcept
    {
        return read_all<std::vector<std::byte>>(
            [this](void *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                return Save(handle(), data, capacity, needed, err);
            });
    }
    std::vector<std::byte> to_bytes() const { return try_to_bytes().value(); }

    /// JSON with everything needed to recompute the guarantee.
    /// Errors: invalid_handle, out_of_memory.
    Result<std::string> try_certificate() const noexcept
    {
        return read_text([this](char *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
            return CertificateOf(handle(), data, capacity, needed, err);
        });
    }
    std::string certificate() const { return try_certificate().value(); }

    /// Sizes and guarantee. Errors: invalid_handle.
    Result<StructureInfo> try_info() const noexcept
    {
        StructureInfo info{};
        info.struct_size = static_cast<std::uint32_t>(sizeof(info));
        ErrorText text;
        const std::int32_t code = InfoOf(handle(), &info, &text);
        if (code != DPATTN_OK) {
            return outcome(code, text);
        }
        return info;
    }
    StructureInfo info() const { return try_info().value(); }

    /// The C handle, still owned by this object; 0 after a move.
    std::uint64_t handle() const noexcept { return handle_.get(); }

protected:
    explicit Structure(Handle<Free> handle) noexcept : handle_(std::move(handle)) {}

private:
    Handle<Free> handle_;
};

} // namespace detail

/// The paper's DPTree: noisy sums over ranges of an ordered private list. Movable; safe from any
/// number of threads.
class Tree : public detail::Structure<Tree, dpattn_tree_free, dpattn_tree_info, dpattn_tree_certificate,
                                      dpattn_tree_save, dpattn_tree_load> {
public:
    /// Spends the budget on private values; value i belongs to place i, or to positions[i] if there
    /// are any. owners: one id a value with params.owner_rows >= 1, else empty.
    /// Errors: invalid_argument, cancelled, entropy, limit, out_of_memory.
    static Result<Tree> try_create(const StructureParams &params, const Budget &budget, span<const double> values,
                                   span<const std::int64_t> positions = {}, span<const std::uint64_t> owners = {},
                                   const Progress &progress = {}) noexcept
    {
        if (Failure f = detail::check(positions.size(), values.size(), "positions", "one a value"); !f.ok()) {
            return f;
        }
        if (Failure f = detail::check(owners.size(), values.size(), "owners", "one a value"); !f.ok()) {
            return f;
        }
        const dpattn_structure_params p = detail::to_c(params);
        const dpattn_budget b = detail::to_c(budget);
        detail::Watch watch(progress);
        detail::ErrorText text;
        dpattn_tree tree = 0;
        const std::int32_t code = dpattn_tree_create(&p, values.data(), positions.empty() ? nullptr : positions.data(),
                                                     owners.empty() ? nullptr : owners.data(), values.size(), &b,
                                                     watch.pointer(), nullptr, &tree, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text, watch.cause());
        }
        return Tree(detail::Handle<dpattn_tree_free>(tree));
    }
    Tree(const StructureParams &params, const Budget &budget, span<const double> values,
         span<const std::int64_t> positions = {}, span<const std::uint64_t> owners = {}, const Progress &progress = {})
        : Tree(try_create(params, budget, values, positions, owners, progress).value())
    {
    }

    /// A noisy sum and the standard deviation of its noise.
    struct Sum {
        double value = 0;
        double stddev = 0;
    };

    /// The sum of the places first .. last - 1. Errors: invalid_argument, invalid_handle.
    Result<Sum> try_sum(std::int64_t first, std::int64_t last) const noexcept
    {
        Sum sum;
        detail::ErrorText text;
        const std::int32_t code = dpattn_tree_query(handle(), &first, &last, 1, &sum.value, &sum.stddev, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return sum;
    }
    Sum sum(std::int64_t first, std::int64_t last) const { return try_sum(first, last).value(); }

private:
    friend Structure;
    explicit Tree(detail::Handle<dpattn_tree_free> handle) noexcept : Structure(std::move(handle)) {}
};

/// The paper's DPTreeDistance in any dimension: noisy sums of distances to private points. Movable;
/// safe from any number of threads.
class Distance : public detail::Structure<Distance, dpattn_distance_free, dpattn_distance_info,
                                          dpattn_distance_certificate, dpattn_distance_save, dpattn_distance_load> {
public:
    /// Spends the budget on private points [rows, dim] with weights [rows, 1], any dtypes; without
    /// weights every weight is params.weight.
    /// Errors: invalid_argument, cancelled, entropy, limit, out_of_memory.
    static Result<Distance> try_create(const StructureParams &params, const Budget &budget, const Input &points,
                                       const std::optional<Input> &weights = {}, span<const std::uint64_t> owners = {},
                                       const Progress &progress = {}) noexcept
    {
        const detail::View no_weights;
        const detail::View &w = weights ? weights->view() : no_weights;
        if (Failure f = detail::check({{points.view(), "points"}, {w, "weights"}}); !f.ok()) {
            return f;
        }
        const dpattn_tensor &x = points.view().raw;
        const auto rows = static_cast<std::size_t>(x.shape[x.ndim - 2]);
        if (Failure f = detail::check(owners.size(), rows, "owners", "one a point"); !f.ok()) {
            return f;
        }
        const dpattn_structure_params p = detail::to_c(params);
        const dpattn_budget b = detail::to_c(budget);
        detail::Watch watch(progress);
        detail::ErrorText text;
        dpattn_distance distance = 0;
        const std::int32_t code = dpattn_distance_create(&p, &x, weights ? &w.raw : nullptr,
                                                         owners.empty() ? nullptr : owners.data(), &b, watch.pointer(),
                                                         nullptr, &distance, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text, watch.cause());
        }
        return Distance(detail::Handle<dpattn_distance_free>(distance));
    }
    Distance(const StructureParams &params, const Budget &budget, const Input &points,
             const std::optional<Input> &weights = {}, span<const std::uint64_t> owners = {},
             const Progress &progress = {})
        : Distance(try_create(params, budget, points, weights, owners, progress).value())
    {
    }

    /// Sums of weight * |point - y|_1 into l1 [m, 1] and of weight * |point - y|^2 into l2 [m, 1],
    /// for queries [m, dim]; either may be left out.
    /// Errors: invalid_argument, invalid_handle, unsupported (l2 without params.squared).
    Result<> try_query(const Input &queries, const Output &l1, const Output &l2 = {}) const noexcept
    {
        if (Failure f = detail::check({{queries.view(), "queries"}, {l1.view(), "l1"}, {l2.view(), "l2"}}); !f.ok()) {
            return f;
        }
        detail::ErrorText text;
        const std::int32_t code =
            dpattn_distance_query(handle(), &queries.view().raw, l1.pointer(), l2.pointer(), &text);
        return detail::outcome(code, text);
    }
    void query(const Input &queries, const Output &l1, const Output &l2 = {}) const
    {
        try_query(queries, l1, l2).value();
    }

private:
    friend Structure;
    explicit Distance(detail::Handle<dpattn_distance_free> handle) noexcept : Structure(std::move(handle)) {}
};

} // namespace dpattn
