// What every call of the C library needs: its error text, checks of sizes, owned handles, buffers.
#pragma once

#include "dpattn.h"
#include "dpattn/error.hpp"
#include "dpattn/tensor.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace dpattn::detail {

/// A dpattn_error of which only the start is cleared, since most calls are short.
struct ErrorText : dpattn_error {
    ErrorText() noexcept
    {
        size = static_cast<std::uint32_t>(sizeof(dpattn_error));
        code = DPATTN_OK;
        message[0] = '\0';
    }
};

inline Failure outcome(std::int32_t code, const ErrorText &text, std::exception_ptr cause = nullptr) noexcept
{
    if (code == DPATTN_OK) {
        return {};
    }
    return Failure(static_cast<Status>(code), text.message, std::move(cause));
}

template <class... Numbers>
Failure invalid(const char *format, Numbers... numbers) noexcept
{
    std::array<char, 256> message{};
    std::snprintf(message.data(), message.size(), format, numbers...);
    return Failure(Status::invalid_argument, message.data());
}

/// A head goes to the library as int32_t, in which -1 means all.
inline Failure check_head(std::uint32_t head) noexcept
{
    if (head > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
        return invalid("head is %lu; it must be below heads", static_cast<unsigned long>(head));
    }
    return {};
}

inline Failure check(const View &view, const char *name) noexcept
{
    if (view.held >= view.needed) {
        return {};
    }
    if (view.needed == std::numeric_limits<std::size_t>::max()) {
        return invalid("%s: the view goes beyond its memory of %zu elements", name, view.held);
    }
    return invalid("%s: the shape needs %zu elements; the memory has %zu", name, view.needed, view.held);
}

struct Named {
    const View &view;
    const char *name;
};

/// The first of the views that is larger than its memory.
inline Failure check(std::initializer_list<Named> views) noexcept
{
    for (const Named &named : views) {
        if (Failure f = check(named.view, named.name); !f.ok()) {
            return f;
        }
    }
    return {};
}

inline Failure check(std::size_t size, std::size_t want, const char *name, const char *meaning) noexcept
{
    return size == 0 || size == want
               ? Failure()
               : invalid("%s has %zu elements; it must have %zu (%s) or none", name, size, want, meaning);
}

/// Owns a handle: moves, never copies; Free is dpattn_builder_free or another of its type.
template <std::int32_t (*Free)(std::uint64_t, dpattn_error *)>
class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(std::uint64_t value) noexcept : value_(value) {}
    Handle(Handle &&other) noexcept : value_(std::exchange(other.value_, 0)) {}
    Handle &operator=(Handle &&other) noexcept
    {
        if (this != &other) {
            reset();
            value_ = std::exchange(other.value_, 0);
        }
        return *this;
    }
    ~Handle() { reset(); }

    std::uint64_t get() const noexcept { return value_; }
    std::uint64_t detach() noexcept { return std::exchange(value_, 0); }

private:
    void reset() noexcept
    {
        if (value_ != 0) {
            static_cast<void>(Free(std::exchange(value_, 0), nullptr));
        }
    }

    std::uint64_t value_ = 0;
};

/// Asks `read(data, capacity, &needed, err)` for its size and reads into a buffer of it; again if
/// the answer grew meanwhile.
template <class Buffer, class Read>
Result<Buffer> read_all(Read read) noexcept
{
    try {
        std::size_t needed = 0;
        ErrorText text;
        std::int32_t code = read(nullptr, 0, &needed, &text);
        while (code == DPATTN_OK || code == DPATTN_BUFFER_TOO_SMALL) {
            Buffer buffer(needed);
            code = read(buffer.data(), buffer.size(), &needed, &text);
            if (code == DPATTN_OK) {
                return Result<Buffer>(std::move(buffer));
            }
        }
        return outcome(code, text);
    } catch (...) {
        return Failure(Status::out_of_memory, "no memory for the answer's buffer");
    }
}

/// A NUL-terminated answer, without the NUL.
template <class Read>
Result<std::string> read_text(Read read) noexcept
{
    Result<std::vector<char>> text = read_all<std::vector<char>>(read);
    if (!text) {
        return text.failure();
    }
    try {
        return std::string(text->data());
    } catch (...) {
        return Failure(Status::out_of_memory, "no memory for the answer's text");
    }
}

} // namespace dpattn::detail
