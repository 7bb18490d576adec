// Release (PUBLIC).
#pragma once

#include "dpattn.h"
#include "dpattn/call.hpp"
#include "dpattn/file.hpp"
#include "dpattn/params.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace dpattn {

/// A release of Mechanism::codebook as row-major arrays that any attention kernel reads:
/// softmax(scale * Q keys^T + bias) values, with the scale of Info, is what attend() answers.
template <class T>
struct KeysValues {
    std::vector<T> keys;   ///< [heads, cells, key_dim]: the centroids
    std::vector<T> values; ///< [heads, cells, value_dim]: the noisy mean value of a cell's rows
    std::vector<T> bias;   ///< [heads, cells]: natural log of a cell's noisy number of rows
};

/// PUBLIC: the noisy state. Immutable; answers any number of queries, may be saved, shipped and
/// published. Move-only; share() makes a second owner of the same state. A moved-from release
/// answers every call with invalid_handle.
class Release {
public:
    /// Takes over a handle of the C library.
    /// Errors: invalid_handle (the handle then stays the caller's).
    explicit Release(dpattn_release handle) : Release(try_adopt(handle).value()) {}
    static Result<Release> try_adopt(dpattn_release handle) noexcept
    {
        Info info{};
        info.struct_size = static_cast<std::uint32_t>(sizeof(info));
        detail::ErrorText text;
        const std::int32_t code = dpattn_release_info(handle, &info, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return Result<Release>(Release(handle, info));
    }

    /// A release from the bytes of a release file.
    /// Errors: invalid_argument, corrupt, unsupported, out_of_memory.
    static Result<Release> try_from_bytes(span<const std::byte> bytes) noexcept
    {
        detail::ErrorText text;
        dpattn_release handle = 0;
        const std::int32_t code = dpattn_release_load(bytes.data(), bytes.size(), &handle, &text);
        return code == DPATTN_OK ? own(handle) : Result<Release>(detail::outcome(code, text));
    }
    static Release from_bytes(span<const std::byte> bytes) { return try_from_bytes(bytes).value(); }

    /// A release from a file. Errors: as from_bytes; io when the file cannot be read.
    static Result<Release> try_load(const std::filesystem::path &path) noexcept
    {
        Result<std::vector<std::byte>> bytes = detail::read_file(path);
        return bytes ? try_from_bytes(*bytes) : Result<Release>(bytes.failure());
    }
    static Release load(const std::filesystem::path &path) { return try_load(path).value(); }

    /// The bytes of a release file, the same on every machine.
    /// Errors: invalid_handle, out_of_memory.
    Result<std::vector<std::byte>> try_to_bytes() const noexcept
    {
        return detail::read_all<std::vector<std::byte>>(
            [this](void *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                return dpattn_release_save(handle(), data, capacity, needed, err);
            });
    }
    std::vector<std::byte> to_bytes() const { return try_to_bytes().value(); }

    /// Writes a release file, whole or not at all: on failure a file that was there is as it was.
    /// Errors: as to_bytes; io when the file cannot be written, or is a ledger, which is not
    /// replaced.
    Result<> try_save(const std::filesystem::path &path) const noexcept
    {
        Result<std::vector<std::byte>> bytes = try_to_bytes();
        return bytes ? detail::write_file(path, *bytes) : Result<>(bytes.failure());
    }
    void save(const std::filesystem::path &path) const { try_save(path).value(); }

    /// Answers queries of all heads into the caller's memory, and gives the number of queries that
    /// were longer than query_bound (scaled to it) or not finite (NaN in every output).
    ///   queries  [m, key_dim] for one head, else [heads, m, key_dim]
    ///   out      [m, value_dim] or [heads, m, value_dim]
    ///   lse      optional, [m, 1] or [heads, m, 1]: natural log of the denominator, for merge()
    ///   stddev   optional, shaped as out: predicted standard deviation of the noise in out, in
    ///            units of a value
    /// Any dtypes. Errors: invalid_argument, invalid_handle.
    Result<std::uint64_t> try_attend(const Input &queries, const Output &out, const Output &lse = {},
                                     const Output &stddev = {}) const noexcept
    {
        return answer(DPATTN_ALL_HEADS, queries, out, lse, stddev);
    }
    std::uint64_t attend(const Input &queries, const Output &out, const Output &lse = {},
                         const Output &stddev = {}) const
    {
        return try_attend(queries, out, lse, stddev).value();
    }

    /// The same for one head, with 2-D tensors: for callers that share out heads among threads of
    /// their own.
    Result<std::uint64_t> try_attend_head(std::uint32_t head, const Input &queries, const Output &out,
                                          const Output &lse = {}, const Output &stddev = {}) const noexcept
    {
        if (Failure f = detail::check_head(head); !f.ok()) {
            return f;
        }
        return answer(static_cast<std::int32_t>(head), queries, out, lse, stddev);
    }
    std::uint64_t attend_head(std::uint32_t head, const Input &queries, const Output &out, const Output &lse = {},
                              const Output &stddev = {}) const
    {
        return try_attend_head(head, queries, out, lse, stddev).value();
    }

    /// The answers as a new row-major vector: [m, value_dim] or [heads, m, value_dim].
    /// Errors: as above, out_of_memory.
    template <class T = float>
    Result<std::vector<T>> try_attend(const Input &queries) const noexcept
    {
        if (Failure f = detail::check(queries.view(), "queries"); !f.ok()) {
            return f;
        }
        try {
            const dpattn_tensor &q = queries.view().raw;
            const std::size_t heads = q.ndim == 3 ? static_cast<std::size_t>(q.shape[0]) : 1;
            const std::size_t rows = static_cast<std::size_t>(q.shape[q.ndim - 2]);
            std::vector<T> out(detail::times(heads, detail::times(rows, info_.value_dim)));
            const Tensor<T> tensor = q.ndim == 3 ? Tensor<T>(out.data(), heads, rows, info_.value_dim)
                                                 : Tensor<T>(out.data(), rows, info_.value_dim);
            Result<std::uint64_t> done = try_attend(queries, tensor);
            if (!done) {
                return done.failure();
            }
            return Result<std::vector<T>>(std::move(out));
        } catch (...) {
            return Failure(Status::out_of_memory, "no memory for the answers");
        }
    }
    template <class T = float>
    std::vector<T> attend(const Input &queries) const
    {
        return try_attend<T>(queries).value();
    }

    /// The key-value form of a release of Mechanism::codebook, into the caller's memory:
    ///   keys    [heads, cells, key_dim], of one head also [cells, key_dim]
    ///   values  [heads, cells, value_dim], likewise
    ///   bias    [heads, cells]
    /// Any dtypes, none of which may overlap another. Errors: invalid_argument, invalid_handle,
    /// unsupported (another mechanism).
    Result<> try_kv(const Output &keys, const Output &values, const Output &bias) const noexcept
    {
        if (Failure f = detail::check({{keys.view(), "keys"}, {values.view(), "values"}, {bias.view(), "bias"}});
            !f.ok()) {
            return f;
        }
        detail::ErrorText text;
        const std::int32_t code =
            dpattn_release_kv(handle(), keys.pointer(), values.pointer(), bias.pointer(), &text);
        return detail::outcome(code, text);
    }
    void kv(const Output &keys, const Output &values, const Output &bias) const { try_kv(keys, values, bias).value(); }

    /// The same as new vectors. Errors: invalid_handle, unsupported, out_of_memory.
    template <class T = float>
    Result<KeysValues<T>> try_kv() const noexcept
    {
        try {
            // Of another mechanism there are no cells; the call then says so.
            const std::size_t heads = info_.heads, cells = info_.cells, rows = detail::times(heads, cells);
            KeysValues<T> kv;
            kv.keys.resize(detail::times(rows, info_.key_dim));
            kv.values.resize(detail::times(rows, info_.value_dim));
            kv.bias.resize(rows);
            Result<> done = try_kv(Tensor<T>(kv.keys.data(), heads, cells, info_.key_dim),
                                   Tensor<T>(kv.values.data(), heads, cells, info_.value_dim),
                                   Tensor<T>(kv.bias.data(), heads, cells));
            if (!done) {
                return done.failure();
            }
            return Result<KeysValues<T>>(std::move(kv));
        } catch (...) {
            return Failure(Status::out_of_memory, "no memory for keys and values");
        }
    }
    template <class T = float>
    KeysValues<T> kv() const
    {
        return try_kv<T>().value();
    }

    /// Shapes, bounds, guarantee and sizes; all zero after a move.
    const Info &info() const noexcept { return info_; }

    /// JSON with everything needed to recompute the guarantee.
    /// Errors: invalid_handle, out_of_memory.
    Result<std::string> try_certificate() const noexcept
    {
        return detail::read_text([this](char *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
            return dpattn_release_certificate(handle(), data, capacity, needed, err);
        });
    }
    std::string certificate() const { return try_certificate().value(); }

    /// The noisy integers, row-major [heads][features][value_dim + 1]: public, for audits and other
    /// engines.
    /// Errors: as certificate.
    Result<std::vector<std::int64_t>> try_state() const noexcept
    {
        return detail::read_all<std::vector<std::int64_t>>(
            [this](std::int64_t *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                return dpattn_release_state(handle(), data, capacity, needed, err);
            });
    }
    std::vector<std::int64_t> state() const { return try_state().value(); }

    /// A second owner of the same state. Errors: invalid_handle.
    Result<Release> try_share() const noexcept
    {
        detail::ErrorText text;
        dpattn_release copy = 0;
        const std::int32_t code = dpattn_release_retain(handle(), &copy, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return Result<Release>(Release(copy, info_));
    }
    Release share() const { return try_share().value(); }

    /// The C handle, still owned by this object; 0 after a move.
    dpattn_release handle() const noexcept { return handle_.get(); }
    /// Gives the C handle away; the caller frees it.
    dpattn_release detach() noexcept
    {
        info_ = Info{};
        return handle_.detach();
    }

    Release(Release &&other) noexcept : handle_(std::move(other.handle_)), info_(std::exchange(other.info_, Info{})) {}
    Release &operator=(Release &&other) noexcept
    {
        if (this != &other) {
            handle_ = std::move(other.handle_);
            info_ = std::exchange(other.info_, Info{});
        }
        return *this;
    }

private:
    Result<std::uint64_t> answer(std::int32_t head, const Input &queries, const Output &out, const Output &lse,
                                 const Output &stddev) const noexcept
    {
        if (Failure f = detail::check({{queries.view(), "queries"},
                                       {out.view(), "out"},
                                       {lse.view(), "lse"},
                                       {stddev.view(), "stddev"}});
            !f.ok()) {
            return f;
        }
        detail::ErrorText text;
        std::uint64_t clipped = 0;
        const std::int32_t code = dpattn_release_attend_head(handle(), head, &queries.view().raw, out.pointer(),
                                                             lse.pointer(), stddev.pointer(), &clipped, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text);
        }
        return clipped;
    }

    friend class Builder;
    friend class Ledger;

    Release(dpattn_release handle, const Info &info) noexcept : handle_(handle), info_(info) {}

    static Result<Release> own(dpattn_release handle) noexcept // adopts, and frees the handle if that fails
    {
        Result<Release> release = try_adopt(handle);
        if (!release) {
            static_cast<void>(dpattn_release_free(handle, nullptr));
        }
        return release;
    }

    detail::Handle<dpattn_release_free> handle_;
    Info info_{};
};

} // namespace dpattn
