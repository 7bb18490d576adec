// Builder (SECRET).
#pragma once

#include "dpattn.h"
#include "dpattn/ledger.hpp"
#include "dpattn/progress.hpp"
#include "dpattn/secret.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace dpattn {

/// SECRET: exact sums over private rows, without noise. Move-only; its memory is wiped by release()
/// and by destruction. A moved-from builder answers every call with invalid_handle, a released or
/// merged one with consumed.
class Builder {
public:
    /// An empty builder. Memory: plan's state_bytes.
    /// Errors: invalid_argument, out_of_memory, unsupported.
    explicit Builder(const Params &params) : Builder(try_create(params).value()) {}
    static Result<Builder> try_create(const Params &params) noexcept
    {
        dpattn_params c;
        if (Failure f = detail::to_c(params, c); !f.ok()) {
            return f;
        }
        detail::ErrorText text;
        dpattn_builder handle = 0;
        const std::int32_t code = dpattn_builder_create(&c, &handle, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return adopt(handle);
    }

    /// Takes over a handle of the C library.
    static Builder adopt(dpattn_builder handle) noexcept
    {
        return Builder(detail::Handle<dpattn_builder_free>(handle));
    }

    /// A builder from an exported secret partial, to be merged once, or continued.
    /// Errors: invalid_argument, corrupt, unsupported, limit,
    /// out_of_memory.
    static Result<Builder> try_import_secret(span<const std::byte> bytes) noexcept
    {
        detail::ErrorText text;
        dpattn_builder handle = 0;
        const std::int32_t code = dpattn_builder_import_secret(bytes.data(), bytes.size(), &handle, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return adopt(handle);
    }
    static Builder import_secret(span<const std::byte> bytes) { return try_import_secret(bytes).value(); }

    /// Adds private rows, of all heads at once. Order and chunking do not matter.
    ///   keys     [rows, key_dim] for one head, else [heads, rows, key_dim]; any dtype
    ///   values   [rows, value_dim] or [heads, rows, value_dim]; any dtype
    ///   owners   one id a row when params.owner_rows >= 1, else empty
    /// Data never cause an error: long rows are scaled to the bounds, rows with NaN or Inf count as
    /// zero.
    /// Errors: invalid_argument, invalid_handle, consumed, cancelled, limit, out_of_memory; then no
    /// row of this call stays added.
    Result<> try_add(const Input &keys, const Input &values, span<const std::uint64_t> owners = {},
                     const Progress &progress = {}) noexcept
    {
        return add_rows(DPATTN_ALL_HEADS, all_heads(keys.view()), all_heads(values.view()), owners, progress);
    }
    void add(const Input &keys, const Input &values, span<const std::uint64_t> owners = {},
             const Progress &progress = {})
    {
        try_add(keys, values, owners, progress).value();
    }

    /// Adds private rows of one head: keys [rows, key_dim], values [rows, value_dim]. Otherwise as
    /// add().
    Result<> try_add_head(std::uint32_t head, const Input &keys, const Input &values,
                          span<const std::uint64_t> owners = {}, const Progress &progress = {}) noexcept
    {
        if (Failure f = detail::check_head(head); !f.ok()) {
            return f;
        }
        return add_rows(static_cast<std::int32_t>(head), keys.view(), values.view(), owners, progress);
    }
    void add_head(std::uint32_t head, const Input &keys, const Input &values, span<const std::uint64_t> owners = {},
                  const Progress &progress = {})
    {
        try_add_head(head, keys, values, owners, progress).value();
    }

    /// Adds everything in `from`, which is consumed and wiped on success and unchanged otherwise.
    /// Errors: invalid_argument (itself, or rows of a partial that are here already and would count
    /// twice), invalid_handle, consumed, mismatch, limit (rows, or partials).
    Result<> try_merge(Builder &&from) noexcept
    {
        detail::ErrorText text;
        const std::int32_t code = dpattn_builder_merge(handle(), from.handle(), &text);
        return detail::outcome(code, text);
    }
    void merge(Builder &&from) { try_merge(std::move(from)).value(); }

    /// The SECRET partial sums, without noise, for another trusted process. The first export of a
    /// builder with rows names them by a random origin, by which merge() refuses to count them
    /// twice; another builder of the same rows has another.
    /// Errors: invalid_handle, consumed, entropy,
    /// out_of_memory.
    Result<SecretBytes> try_export_secret() const noexcept
    {
        return detail::read_all<SecretBytes>(
            [this](void *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                return dpattn_builder_export_secret(handle(), data, capacity, needed, err);
            });
    }
    SecretBytes export_secret() const { return try_export_secret().value(); }

    /// PUBLIC: the params with defaults filled in, and state_bytes; what only a release has is 0.
    /// Errors: invalid_handle.
    Result<Info> try_info() const noexcept
    {
        Info info{};
        info.struct_size = static_cast<std::uint32_t>(sizeof(info));
        detail::ErrorText text;
        const std::int32_t code = dpattn_builder_info(handle(), &info, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return info;
    }
    Info info() const { return try_info().value(); }

    /// SECRET counts: exact functions of the private data; do not publish them.
    /// Errors: invalid_handle, consumed.
    Result<Diagnostics> try_diagnostics() const noexcept
    {
        Diagnostics diagnostics{};
        diagnostics.struct_size = static_cast<std::uint32_t>(sizeof(diagnostics));
        detail::ErrorText text;
        const std::int32_t code = dpattn_builder_diagnostics(handle(), &diagnostics, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return diagnostics;
    }
    Diagnostics diagnostics() const { return try_diagnostics().value(); }

    /// Spends the budget: adds exactly sampled noise, once, consumes this builder and wipes it. On
    /// any error the builder is as it was and nothing is spent.
    /// Errors: invalid_argument, invalid_handle, consumed, cancelled, entropy, limit,
    /// out_of_memory.
    Result<Release> try_release(const Budget &budget, const Progress &progress = {}) noexcept
    {
        return make_release(progress, [&](const dpattn_progress *watch, dpattn_release *release, dpattn_error *err) {
            const dpattn_budget b = detail::to_c(budget);
            return dpattn_builder_release(handle(), &b, watch, release, err);
        });
    }
    Release release(const Budget &budget, const Progress &progress = {})
    {
        return try_release(budget, progress).value();
    }

    /// The same through a ledger: the release that it has under label, at no cost, else a new one
    /// if it can be afforded, which is on disk before it is returned. "": a label of its own, the
    /// release's id.
    /// Errors: those above; overspent, mismatch, busy, io, corrupt.
    Result<Release> try_release(const Budget &budget, const Ledger &ledger, const std::string &label,
                                const Progress &progress = {}) noexcept
    {
        return make_release(progress, [&](const dpattn_progress *watch, dpattn_release *release, dpattn_error *err) {
            const dpattn_budget b = detail::to_c(budget);
            return dpattn_ledger_release(ledger.handle(), label.c_str(), handle(), &b, watch, release, err);
        });
    }
    Release release(const Budget &budget, const Ledger &ledger, const std::string &label, const Progress &progress = {})
    {
        return try_release(budget, ledger, label, progress).value();
    }

    /// The C handle, still owned by this object; 0 after a move.
    dpattn_builder handle() const noexcept { return handle_.get(); }
    /// Gives the C handle away; the caller frees it.
    dpattn_builder detach() noexcept { return handle_.detach(); }

private:
    explicit Builder(detail::Handle<dpattn_builder_free> handle) noexcept : handle_(std::move(handle)) {}

    template <class Make>
    static Result<Release> make_release(const Progress &progress, const Make &make) noexcept
    {
        detail::Watch watch(progress);
        detail::ErrorText text;
        dpattn_release release = 0;
        const std::int32_t code = make(watch.pointer(), &release, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text, watch.cause());
        }
        return Release::own(release);
    }

    /// [rows, dim] as [1, rows, dim]: one head, and an error that names the axis if there are more.
    static detail::View all_heads(detail::View view) noexcept
    {
        if (view.raw.ndim == 2) {
            view.raw.ndim = 3;
            for (std::size_t a = 2; a > 0; a--) {
                view.raw.shape[a] = view.raw.shape[a - 1];
                view.raw.strides[a] = view.raw.strides[a - 1];
            }
            view.raw.shape[0] = 1;
            view.raw.strides[0] = 0;
        }
        return view;
    }

    Result<> add_rows(std::int32_t head, const detail::View &keys, const detail::View &values,
                      span<const std::uint64_t> owners, const Progress &progress) noexcept
    {
        if (Failure f = detail::check({{keys, "keys"}, {values, "values"}}); !f.ok()) {
            return f;
        }
        const auto rows = static_cast<std::size_t>(keys.raw.shape[keys.raw.ndim - 2]);
        if (Failure f = detail::check(owners.size(), rows, "owners", "one a row"); !f.ok()) {
            return f;
        }
        detail::Watch watch(progress);
        detail::ErrorText text;
        const std::uint64_t *ids = owners.empty() ? nullptr : owners.data();
        const std::int32_t code =
            dpattn_builder_add(handle(), head, &keys.raw, &values.raw, ids, watch.pointer(), &text);
        return detail::outcome(code, text, watch.cause());
    }

    detail::Handle<dpattn_builder_free> handle_;
};

} // namespace dpattn
