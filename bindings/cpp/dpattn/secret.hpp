// SecretBytes: memory that is wiped.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

namespace dpattn {

namespace detail {

inline void wipe(void *data, std::size_t size) noexcept
{
#if defined(__GNUC__)
    if (size != 0) {
        std::memset(data, 0, size);
        __asm__ __volatile__("" : : "r"(data) : "memory"); // keeps the stores
    }
#else
    for (auto *p = static_cast<volatile unsigned char *>(data); size != 0; size--) {
        *p++ = 0;
    }
#endif
}

} // namespace detail

/// Bytes that must be protected like the private data: move-only, overwritten with zeros when
/// destroyed.
class SecretBytes {
public:
    SecretBytes() noexcept = default;
    explicit SecretBytes(std::size_t size) : data_(new std::byte[size]()), size_(size) {}
    SecretBytes(SecretBytes &&other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
    SecretBytes &operator=(SecretBytes &&other) noexcept
    {
        if (this != &other) {
            detail::wipe(data_.get(), size_);
            data_ = std::move(other.data_);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    ~SecretBytes() { detail::wipe(data_.get(), size_); }

    std::byte *data() noexcept { return data_.get(); }
    const std::byte *data() const noexcept { return data_.get(); }
    std::size_t size() const noexcept { return size_; }
    std::byte *begin() noexcept { return data_.get(); }
    std::byte *end() noexcept { return data_.get() + size_; }
    const std::byte *begin() const noexcept { return data_.get(); }
    const std::byte *end() const noexcept { return data_.get() + size_; }

private:
    std::unique_ptr<std::byte[]> data_;
    std::size_t size_ = 0;
};

} // namespace dpattn
