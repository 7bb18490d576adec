// Ledger: the account of one private data set.
#pragma once

#include "dpattn.h"
#include "dpattn/release.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>

namespace dpattn {

/// What all releases of one data set may cost together: epsilon and delta, or mu alone.
struct Allowance {
    double epsilon = 0;       ///< > 0; 0 when mu is given
    double delta = 0;         ///< in (0, 1); 0 when mu is given
    double mu = 0;            ///< > 0, for releases by the Gaussian mechanism only; 0 when epsilon and delta are given
    double other_epsilon = 0; ///< the part of epsilon and delta that is set aside for mechanisms that are not Gaussian
    double other_delta = 0;
};

namespace detail {

inline dpattn_allowance to_c(const Allowance &allowance) noexcept
{
    dpattn_allowance c{};
    c.struct_size = static_cast<std::uint32_t>(sizeof(c));
    c.epsilon = allowance.epsilon;
    c.delta = allowance.delta;
    c.mu = allowance.mu;
    c.other_epsilon = allowance.other_epsilon;
    c.other_delta = allowance.other_delta;
    return c;
}

} // namespace detail

/// The account of one private data set, in a file: a release through it (Builder::release) is on
/// disk before it is handed out, and what cannot be afforded is refused. Move-only; any thread may
/// use it; between calls no file is open. dpattn.h says more.
class Ledger {
public:
    /// Makes a new file, which replaces none. Errors: invalid_argument, io.
    static Result<Ledger> try_create(const std::filesystem::path &path, const Allowance &allowance) noexcept
    {
        const dpattn_allowance a = detail::to_c(allowance);
        return own(path, [&a](const char *name, dpattn_ledger *ledger, dpattn_error *err) {
            return dpattn_ledger_create(name, &a, ledger, err);
        });
    }
    static Ledger create(const std::filesystem::path &path, const Allowance &allowance)
    {
        return try_create(path, allowance).value();
    }

    /// A file that is there. Errors: io, busy, corrupt, unsupported.
    static Result<Ledger> try_open(const std::filesystem::path &path) noexcept
    {
        return own(path, &dpattn_ledger_open);
    }
    static Ledger open(const std::filesystem::path &path) { return try_open(path).value(); }

    /// The release with this label, once more, at no cost.
    /// Errors: invalid_argument, invalid_handle, mismatch, busy, io, corrupt, out_of_memory.
    Result<Release> try_load(const std::string &label) const noexcept
    {
        detail::ErrorText text;
        dpattn_release release = 0;
        const std::int32_t code = dpattn_ledger_load(handle(), label.c_str(), &release, &text);
        return code == DPATTN_OK ? Release::own(release) : Result<Release>(detail::outcome(code, text));
    }
    Release load(const std::string &label) const { return try_load(label).value(); }

    /// The statement, a JSON object (docs/formats.md).
    /// Errors: invalid_handle, mismatch, busy, io, corrupt, out_of_memory.
    Result<std::string> try_show() const noexcept
    {
        return detail::read_text([this](char *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
            return dpattn_ledger_show(handle(), data, capacity, needed, err);
        });
    }
    std::string show() const { return try_show().value(); }

    /// The C handle, still owned by this object; 0 after a move.
    dpattn_ledger handle() const noexcept { return handle_.get(); }

private:
    explicit Ledger(dpattn_ledger handle) noexcept : handle_(handle) {}

    template <class Open>
    static Result<Ledger> own(const std::filesystem::path &path, const Open &open) noexcept
    {
        try {
            detail::ErrorText text;
            dpattn_ledger ledger = 0;
            const std::int32_t code = open(path.string().c_str(), &ledger, &text);
            return code == DPATTN_OK ? Result<Ledger>(Ledger(ledger)) : Result<Ledger>(detail::outcome(code, text));
        } catch (const std::exception &e) { // the name of the file
            return Failure(Status::invalid_argument, e.what());
        }
    }

    detail::Handle<dpattn_ledger_close> handle_;
};

} // namespace dpattn
