// Status, Error, Failure and Result: how a call says what went wrong.
#pragma once

#include "dpattn.h"

#include <cstdint>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace dpattn {

/// What went wrong; the meanings are in dpattn.h.
enum class Status : std::int32_t {
    ok = DPATTN_OK,
    invalid_argument = DPATTN_INVALID_ARGUMENT,
    invalid_handle = DPATTN_INVALID_HANDLE,
    consumed = DPATTN_CONSUMED,
    buffer_too_small = DPATTN_BUFFER_TOO_SMALL,
    out_of_memory = DPATTN_OUT_OF_MEMORY,
    cancelled = DPATTN_CANCELLED,
    forked = DPATTN_FORKED,
    corrupt = DPATTN_CORRUPT,
    unsupported = DPATTN_UNSUPPORTED,
    mismatch = DPATTN_MISMATCH,
    entropy = DPATTN_ENTROPY,
    limit = DPATTN_LIMIT,
    internal = DPATTN_INTERNAL,
    overspent = DPATTN_OVERSPENT,
    busy = DPATTN_BUSY,
    io = DPATTN_IO
};

/// The name of a status, such as "INVALID_ARGUMENT"; static.
inline const char *to_string(Status status) noexcept
{
    return dpattn_status_string(static_cast<std::int32_t>(status));
}

/// Thrown by every function that can fail. what() is "STATUS: detail".
class Error : public std::runtime_error {
public:
    Error(Status status, const std::string &message)
        : std::runtime_error(std::string(to_string(status)) + ": " + message), status_(status)
    {
    }
    Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// Why a call failed: status, detail text, and the exception that a progress callback threw, if
/// that was the reason.
class Failure {
public:
    Failure() noexcept = default;
    explicit Failure(Status status, const char *message = "", std::exception_ptr cause = nullptr) noexcept
        : status_(status), cause_(std::move(cause))
    {
        try {
            message_ = message;
        } catch (...) { // no memory for the text: the status alone must do
        }
    }

    bool ok() const noexcept { return status_ == Status::ok; }
    Status status() const noexcept { return status_; }
    const std::string &message() const noexcept { return message_; }
    const std::exception_ptr &cause() const noexcept { return cause_; }

    /// Rethrows the callback's exception if there is one; throws Error otherwise.
    [[noreturn]] void raise() const
    {
        if (cause_) {
            std::rethrow_exception(cause_);
        }
        throw Error(status_, message_);
    }

private:
    Status status_ = Status::ok;
    std::string message_;
    std::exception_ptr cause_;
};

/// A value of type T, or a Failure. What every try_ function gives.
template <class T = void>
class [[nodiscard]] Result {
public:
    Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
    Result(Failure &&failure) noexcept : failure_(std::move(failure)) {}
    Result(const Failure &failure) : failure_(failure) {}

    bool ok() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }
    Status status() const noexcept { return failure_.status(); }
    const std::string &message() const noexcept { return failure_.message(); }
    const Failure &failure() const noexcept { return failure_; }

    /// The value; throws what the throwing form would have thrown if there is none.
    T &value() &
    {
        require();
        return *value_;
    }
    T value() &&
    {
        require();
        return std::move(*value_);
    }

    /// The value, unchecked: only after ok().
    T &operator*() noexcept { return *value_; }
    const T &operator*() const noexcept { return *value_; }
    T *operator->() noexcept { return &*value_; }
    const T *operator->() const noexcept { return &*value_; }

private:
    void require() const
    {
        if (!value_) {
            failure_.raise();
        }
    }

    std::optional<T> value_;
    Failure failure_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() noexcept = default;
    Result(Failure &&failure) noexcept : failure_(std::move(failure)) {}
    Result(const Failure &failure) : failure_(failure) {}

    bool ok() const noexcept { return failure_.ok(); }
    explicit operator bool() const noexcept { return ok(); }
    Status status() const noexcept { return failure_.status(); }
    const std::string &message() const noexcept { return failure_.message(); }
    const Failure &failure() const noexcept { return failure_; }

    void value() const
    {
        if (!failure_.ok()) {
            failure_.raise();
        }
    }

private:
    Failure failure_;
};

} // namespace dpattn
