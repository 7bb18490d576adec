// Tensor, Input and Output: borrowed views of memory in any layout and element type.
#pragma once

#include "dpattn.h"
#include "dpattn/span.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#if defined(__STDCPP_FLOAT16_T__) || defined(__STDCPP_BFLOAT16_T__)
#include <stdfloat>
#endif

namespace dpattn {

/// 16-bit elements: IEEE 754 binary16 and bfloat16, as their bits in the machine's byte order.
struct f16 {
    std::uint16_t bits;
};
struct bf16 {
    std::uint16_t bits;
};

/// The dtype of an element type. Specialise it for a 16-bit type of your own:
/// `template <> struct dpattn::dtype_of<Half> ...`.
template <class T>
struct dtype_of;
template <>
struct dtype_of<float> : std::integral_constant<std::int32_t, DPATTN_F32> {};
template <>
struct dtype_of<double> : std::integral_constant<std::int32_t, DPATTN_F64> {};
template <>
struct dtype_of<f16> : std::integral_constant<std::int32_t, DPATTN_F16> {};
template <>
struct dtype_of<bf16> : std::integral_constant<std::int32_t, DPATTN_BF16> {};
#ifdef __STDCPP_FLOAT16_T__
template <>
struct dtype_of<std::float16_t> : std::integral_constant<std::int32_t, DPATTN_F16> {};
#endif
#ifdef __STDCPP_BFLOAT16_T__
template <>
struct dtype_of<std::bfloat16_t> : std::integral_constant<std::int32_t, DPATTN_BF16> {};
#endif

namespace detail {

/// A C tensor, with the number of elements that its memory has and that its shape needs (both 0
/// when it was made from a bare pointer). Too little memory is reported by the call that uses the
/// view, so that making one never fails.
struct View {
    dpattn_tensor raw{};
    std::size_t held = 0;
    std::size_t needed = 0;
};

inline std::size_t times(std::size_t a, std::size_t b) noexcept // a * b, or the greatest number if that overflows
{
    return b != 0 && a > std::numeric_limits<std::size_t>::max() / b ? std::numeric_limits<std::size_t>::max() : a * b;
}

inline std::int64_t to_int64(std::size_t n) noexcept // a size over 2^63 becomes negative, which the library refuses
{
    return static_cast<std::int64_t>(n);
}

} // namespace detail

/// A borrowed view of [rows, cols] or [heads, rows, cols] numbers of type T: float, double, f16 or
/// bf16; const for inputs. Making one never fails and copies nothing; the memory must outlive the
/// calls that use it.
template <class T>
class Tensor {
public:
    using element_type = T;

    /// Dense, row-major. The call that uses the view fails with invalid_argument if the span is too
    /// short for the shape.
    Tensor(span<T> data, std::size_t rows, std::size_t cols) noexcept : Tensor(data.data(), rows, cols)
    {
        view_.held = data.size();
        view_.needed = detail::times(rows, cols);
    }
    Tensor(span<T> data, std::size_t heads, std::size_t rows, std::size_t cols) noexcept
        : Tensor(data.data(), heads, rows, cols)
    {
        view_.held = data.size();
        view_.needed = detail::times(heads, detail::times(rows, cols));
    }

    /// Dense, row-major, from a bare pointer (nothing checks its length).
    Tensor(T *data, std::size_t rows, std::size_t cols) noexcept : Tensor(data, {rows, cols}, {bytes(cols), bytes(1)})
    {
    }
    Tensor(T *data, std::size_t heads, std::size_t rows, std::size_t cols) noexcept
        : Tensor(data, {heads, rows, cols}, {bytes(detail::times(rows, cols)), bytes(cols), bytes(1)})
    {
    }

    /// Any layout: element (i0, i1[, i2]) is strides[0]*i0 + strides[1]*i1 (+ strides[2]*i2) BYTES
    /// after `data`. Strides may be negative, or zero for inputs (nothing checks the length of the
    /// memory).
    template <std::size_t N, class = std::enable_if_t<N == 2 || N == 3>>
    Tensor(T *data, const std::size_t (&shape)[N], const std::ptrdiff_t (&strides)[N]) noexcept
    {
        // The library writes to outputs only, and they are not const.
        view_.raw.data = const_cast<std::remove_const_t<T> *>(data);
        view_.raw.dtype = dtype_of<std::remove_const_t<T>>::value;
        view_.raw.ndim = static_cast<std::int32_t>(N);
        for (std::size_t a = 0; a < N; a++) {
            view_.raw.shape[a] = detail::to_int64(shape[a]);
            view_.raw.strides[a] = strides[a];
        }
    }

    std::size_t heads() const noexcept
    {
        return view_.raw.ndim == 3 ? static_cast<std::size_t>(view_.raw.shape[0]) : 1;
    }
    std::size_t rows() const noexcept { return static_cast<std::size_t>(view_.raw.shape[view_.raw.ndim - 2]); }
    std::size_t cols() const noexcept { return static_cast<std::size_t>(view_.raw.shape[view_.raw.ndim - 1]); }

    /// The same numbers with rows and columns exchanged, for matrices that are stored column by
    /// column.
    Tensor transposed() const noexcept
    {
        Tensor t = *this;
        const auto n = static_cast<std::size_t>(view_.raw.ndim);
        std::swap(t.view_.raw.shape[n - 2], t.view_.raw.shape[n - 1]);
        std::swap(t.view_.raw.strides[n - 2], t.view_.raw.strides[n - 1]);
        return t;
    }

    /// Rows begin .. begin + count of every head: the way to feed a large matrix in chunks.
    Tensor slice(std::size_t begin, std::size_t count) const noexcept
    {
        Tensor t = *this;
        if (begin > rows() || count > rows() - begin) { // reported by the call that uses the view
            t.view_.held = detail::times(rows(), cols());
            t.view_.needed = std::numeric_limits<std::size_t>::max();
            return t;
        }
        const auto axis = static_cast<std::size_t>(view_.raw.ndim - 2);
        if (count > 0) {
            t.view_.raw.data =
                static_cast<char *>(view_.raw.data) + static_cast<std::ptrdiff_t>(begin) * view_.raw.strides[axis];
        }
        t.view_.raw.shape[axis] = detail::to_int64(count);
        return t;
    }

    const detail::View &view() const noexcept { return view_; }

private:
    static std::ptrdiff_t bytes(std::size_t elements) noexcept
    {
        return static_cast<std::ptrdiff_t>(detail::times(elements, sizeof(T)));
    }

    detail::View view_;
};

// dpattn::Tensor(container, rows, cols) finds T by itself; const containers give const T.
template <class C>
Tensor(C &, std::size_t, std::size_t) -> Tensor<std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>>;
template <class C>
Tensor(C &, std::size_t, std::size_t, std::size_t)
    -> Tensor<std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>>;
template <class T>
Tensor(T *, std::size_t, std::size_t) -> Tensor<T>;
template <class T>
Tensor(T *, std::size_t, std::size_t, std::size_t) -> Tensor<T>;

/// An argument that is read: any Tensor.
class Input {
public:
    template <class T>
    Input(const Tensor<T> &tensor) noexcept : view_(tensor.view())
    {
    }
    const detail::View &view() const noexcept { return view_; }

private:
    detail::View view_;
};

/// An argument that is written: a Tensor of non-const elements, or nothing (an output that is not
/// wanted).
class Output {
public:
    Output() noexcept : wanted_(false) {}
    template <class T, class = std::enable_if_t<!std::is_const_v<T>>>
    Output(const Tensor<T> &tensor) noexcept : view_(tensor.view()), wanted_(true)
    {
    }
    const detail::View &view() const noexcept { return view_; }
    const dpattn_tensor *pointer() const noexcept { return wanted_ ? &view_.raw : nullptr; }

private:
    detail::View view_;
    bool wanted_;
};

} // namespace dpattn
