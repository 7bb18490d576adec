// span: std::span, or the part of it that is needed in C++17.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#if __cplusplus >= 202002L || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L)
#define DPATTN_HAS_STD_SPAN 1
#include <span>
#else
#include <iterator>
#endif

namespace dpattn {

#ifdef DPATTN_HAS_STD_SPAN
template <class T>
using span = std::span<T>;
#else
/// The part of std::span that this header needs, for C++17: a pointer and a number of elements,
/// nothing owned.
template <class T>
class span {
public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;

    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    /// Anything contiguous: vector, array, C array, another span. A temporary is taken only as
    /// const.
    template <class C, class E = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<C>, span> &&
                                       std::is_convertible_v<E (*)[], T (*)[]> &&
                                       (std::is_lvalue_reference_v<C> || std::is_const_v<T>)>>
    constexpr span(C &&contiguous) noexcept : data_(std::data(contiguous)), size_(std::size(contiguous))
    {
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

} // namespace dpattn
