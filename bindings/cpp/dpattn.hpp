/// dpattn for C++: attention over private keys and values under (epsilon, delta)-differential privacy.
///
/// Header-only, C++17 or later, over the C library of dpattn.h, which holds the full contract (the guarantee, shapes,
/// units, limits). The way of the data:
///
///     dpattn::Params  params;                                 // PUBLIC: shapes, bounds, adjacency
///     dpattn::Builder builder(params);                        // SECRET: exact sums, keep it in the trusted process
///     builder.add(keys, values);                              //   as often as rows come
///     dpattn::Release release = builder.release({1.0, 1e-6}); // PUBLIC: spends (epsilon, delta) once, wipes the builder
///     std::vector<float> out = release.attend(queries);       //   as often as anybody asks; costs no more privacy
///
/// Memory  Tensors and spans are borrowed for the call only; strided memory goes in and out without a copy.
/// Errors  Every function f that can fail has two forms. f(...) throws dpattn::Error. try_f(...) is noexcept and gives
///         a dpattn::Result<T>, and f(...) is exactly try_f(...).value(). Constructors have a static try_create. Outputs are
///         untouched on failure, and no message ever holds a private value.
/// Threads A Release may be used from any number of threads at once; a Builder serialises its own calls. Moving or destroying an
///         object while another thread uses it is a race, as everywhere in C++.
/// fork    In a child made by fork() every call fails with Status::forked.
#ifndef DPATTN_HPP
#define DPATTN_HPP

#include "dpattn.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L)
#define DPATTN_HAS_STD_SPAN 1
#include <span>
#else
#include <iterator>
#endif
#if defined(__STDCPP_FLOAT16_T__) || defined(__STDCPP_BFLOAT16_T__)
#include <stdfloat>
#endif

namespace dpattn {

// ---- span ---------------------------------------------------------------------------------------------------------

#ifdef DPATTN_HAS_STD_SPAN
template <class T>
using span = std::span<T>;
#else
/// The part of std::span that this header needs, for C++17: a pointer and a number of elements, nothing owned.
template <class T>
class span {
public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;

    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

    /// Anything contiguous: vector, array, C array, another span. A temporary is taken only as const.
    template <class C, class E = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>,
              class = std::enable_if_t<!std::is_same_v<std::decay_t<C>, span> && std::is_convertible_v<E (*)[], T (*)[]> &&
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

// ---- Status, Error, Result ------------------------------------------------------------------------------------------

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
    Error(Status status, const std::string &message) : std::runtime_error(std::string(to_string(status)) + ": " + message), status_(status) {}
    Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// Why a call failed: status, detail text, and the exception that a progress callback threw, if that was the reason.
class Failure {
public:
    Failure() noexcept = default;
    explicit Failure(Status status, const char *message = "", std::exception_ptr cause = nullptr) noexcept : status_(status), cause_(std::move(cause))
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

// ---- Tensors --------------------------------------------------------------------------------------------------------

/// 16-bit elements: IEEE 754 binary16 and bfloat16, as their bits in the machine's byte order.
struct f16 {
    std::uint16_t bits;
};
struct bf16 {
    std::uint16_t bits;
};

/// The dtype of an element type. Specialise it for a 16-bit type of your own: `template <> struct dpattn::dtype_of<Half> ...`.
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

/// A C tensor, with the number of elements that its memory has and that its shape needs (both 0 when it was made from a
/// bare pointer). Too little memory is reported by the call that uses the view, so that making one never fails.
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

/// A borrowed view of [rows, cols] or [heads, rows, cols] numbers of type T: float, double, f16 or bf16; const for inputs.
/// Making one never fails and copies nothing; the memory must outlive the calls that use it.
template <class T>
class Tensor {
public:
    using element_type = T;

    /// Dense, row-major. The call that uses the view fails with invalid_argument if the span is too short for the shape.
    Tensor(span<T> data, std::size_t rows, std::size_t cols) noexcept : Tensor(data.data(), rows, cols)
    {
        view_.held = data.size();
        view_.needed = detail::times(rows, cols);
    }
    Tensor(span<T> data, std::size_t heads, std::size_t rows, std::size_t cols) noexcept : Tensor(data.data(), heads, rows, cols)
    {
        view_.held = data.size();
        view_.needed = detail::times(heads, detail::times(rows, cols));
    }

    /// Dense, row-major, from a bare pointer (nothing checks its length).
    Tensor(T *data, std::size_t rows, std::size_t cols) noexcept : Tensor(data, {rows, cols}, {bytes(cols), bytes(1)}) {}
    Tensor(T *data, std::size_t heads, std::size_t rows, std::size_t cols) noexcept
        : Tensor(data, {heads, rows, cols}, {bytes(detail::times(rows, cols)), bytes(cols), bytes(1)})
    {
    }

    /// Any layout: element (i0, i1[, i2]) is strides[0]*i0 + strides[1]*i1 (+ strides[2]*i2) BYTES after `data`. Strides may be negative,
    /// or zero for inputs (nothing checks the length of the memory).
    template <std::size_t N, class = std::enable_if_t<N == 2 || N == 3>>
    Tensor(T *data, const std::size_t (&shape)[N], const std::ptrdiff_t (&strides)[N]) noexcept
    {
        view_.raw.data = const_cast<std::remove_const_t<T> *>(data); // the library writes to outputs only, and they are not const
        view_.raw.dtype = dtype_of<std::remove_const_t<T>>::value;
        view_.raw.ndim = static_cast<std::int32_t>(N);
        for (std::size_t a = 0; a < N; a++) {
            view_.raw.shape[a] = detail::to_int64(shape[a]);
            view_.raw.strides[a] = strides[a];
        }
    }

    std::size_t heads() const noexcept { return view_.raw.ndim == 3 ? static_cast<std::size_t>(view_.raw.shape[0]) : 1; }
    std::size_t rows() const noexcept { return static_cast<std::size_t>(view_.raw.shape[view_.raw.ndim - 2]); }
    std::size_t cols() const noexcept { return static_cast<std::size_t>(view_.raw.shape[view_.raw.ndim - 1]); }

    /// The same numbers with rows and columns exchanged, for matrices that are stored column by column.
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
            t.view_.raw.data = static_cast<char *>(view_.raw.data) + static_cast<std::ptrdiff_t>(begin) * view_.raw.strides[axis];
        }
        t.view_.raw.shape[axis] = detail::to_int64(count);
        return t;
    }

    const detail::View &view() const noexcept { return view_; }

private:
    static std::ptrdiff_t bytes(std::size_t elements) noexcept { return static_cast<std::ptrdiff_t>(detail::times(elements, sizeof(T))); }

    detail::View view_;
};

// dpattn::Tensor(container, rows, cols) finds T by itself; const containers give const T.
template <class C>
Tensor(C &, std::size_t, std::size_t) -> Tensor<std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>>;
template <class C>
Tensor(C &, std::size_t, std::size_t, std::size_t) -> Tensor<std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>>;
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

/// An argument that is written: a Tensor of non-const elements, or nothing (an output that is not wanted).
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

// ---- Parameters -------------------------------------------------------------------------------------------------------

/// Neighbouring data sets; required, see dpattn.h.
enum class Adjacency : std::int32_t { unset = 0, add_remove = DPATTN_ADD_REMOVE, replace = DPATTN_REPLACE };
enum class Mechanism : std::int32_t { standard = DPATTN_MECHANISM_DEFAULT, gaussian = DPATTN_GAUSSIAN, dptree = DPATTN_DPTREE };
/// Whether Mechanism::dptree keeps trees.
enum class Trees : std::int32_t { standard = DPATTN_TREES_DEFAULT, kept = DPATTN_TREES_KEPT, none = DPATTN_TREES_NONE };
/// Minimax (the default) when values matter, Taylor when only the arg-max does.
enum class Polynomial : std::int32_t { standard = DPATTN_POLYNOMIAL_DEFAULT, minimax = DPATTN_MINIMAX, taylor = DPATTN_TAYLOR };
enum class Rotation : std::int32_t { standard = DPATTN_ROTATION_DEFAULT, hadamard = DPATTN_ROTATION_HADAMARD, none = DPATTN_ROTATION_NONE };

/// PUBLIC parameters: none of them may be derived from the private data. Set at least key_dim, value_dim, the three bounds and
/// adjacency; for the others zero (or empty) means the default. Ranges and meanings are in dpattn.h.
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
    std::vector<double> center;       ///< empty, or heads * key_dim: a public vector subtracted from the keys of each head
    std::vector<double> head_weights; ///< empty (equal), or one positive weight a head
    double owner_bound = 0;           ///< rows' worth of norm that an owner's rows may add together; 0: owner_rows

    // Mechanism::dptree alone, which takes range and value_range instead of the three bounds; zero otherwise.
    double range = 0;               ///< entries of keys and queries are in [0, range]; others are clipped
    double value_range = 0;         ///< entries of values are in [-value_range, value_range]; others are clipped
    double relative_error = 0;      ///< of the polynomial: chooses degree where that is 0; 0: 0.1
    double failure_probability = 0; ///< enters the default of copies, never the guarantee; 0: 0.01
    double copy_factor = 0;         ///< in the default of copies; 0: 1
    std::uint64_t rows = 0;         ///< a public number of rows, the default of leaves
    std::uint32_t leaves = 0;       ///< of the fixed grid; 0: rows
    std::uint32_t copies = 0;       ///< whose median answers; 0: the paper's formula
    Trees trees = Trees::standard;
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

/// Watches and stops long work. `callback(done, total)` is called now and then from the calling thread; false cancels, and an
/// exception cancels too and is rethrown by the throwing form. `cancel`, if not null, is polled; non-zero cancels (a signal handler may set it).
/// A cancelled call has changed nothing.
struct Progress {
    std::function<bool(std::uint64_t done, std::uint64_t total)> callback;
    const volatile std::int32_t *cancel = nullptr;

    Progress() = default;
    explicit Progress(const volatile std::int32_t *flag) noexcept : cancel(flag) {}
    template <class F, class = std::enable_if_t<std::is_invocable_r_v<bool, F &, std::uint64_t, std::uint64_t>>>
    Progress(F function, const volatile std::int32_t *flag = nullptr) : callback(std::move(function)), cancel(flag)
    {
    }
};

// ---- Inside -------------------------------------------------------------------------------------------------------------

namespace detail {

/// A dpattn_error, cleared no further than needed: calls are short.
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

inline Failure check(std::size_t size, std::size_t want, const char *name, const char *meaning) noexcept
{
    return size == 0 || size == want ? Failure() : invalid("%s has %zu elements; it must have %zu (%s) or none", name, size, want, meaning);
}

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
    const std::size_t heads = params.heads == 0 ? 1 : params.heads;
    if (Failure f = check(params.center.size(), times(heads, params.key_dim), "center", "heads * key_dim"); !f.ok()) {
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

/// The C side of a Progress: keeps an exception of the callback until the library has returned.
class Watch {
public:
    explicit Watch(const Progress &progress) noexcept : progress_(progress)
    {
        raw_.struct_size = static_cast<std::uint32_t>(sizeof(raw_));
        raw_.callback = progress.callback ? &Watch::call : nullptr;
        raw_.user = this;
        raw_.cancel = progress.cancel;
    }
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;

    const dpattn_progress *pointer() const noexcept { return raw_.callback != nullptr || raw_.cancel != nullptr ? &raw_ : nullptr; }
    std::exception_ptr cause() noexcept { return std::move(cause_); }

private:
    static std::int32_t call(void *user, std::uint64_t done, std::uint64_t total) noexcept
    {
        auto &self = *static_cast<Watch *>(user);
        if (self.cause_) {
            return 1;
        }
        try {
            return self.progress_.callback(done, total) ? 0 : 1;
        } catch (...) {
            self.cause_ = std::current_exception();
            return 1;
        }
    }

    const Progress &progress_;
    dpattn_progress raw_{};
    std::exception_ptr cause_;
};

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

/// Asks `read(data, capacity, &needed, err)` for its size, makes a buffer by `make(needed)`, and reads into it; again if it grew meanwhile.
template <class Buffer, class Make, class Read>
Result<Buffer> read_all(Make make, Read read) noexcept
{
    try {
        std::size_t needed = 0;
        ErrorText text;
        std::int32_t code = read(nullptr, 0, &needed, &text);
        for (;;) {
            if (code != DPATTN_OK && code != DPATTN_BUFFER_TOO_SMALL) {
                return outcome(code, text);
            }
            Buffer buffer = make(needed);
            const std::size_t capacity = needed;
            code = read(buffer.data(), capacity, &needed, &text);
            if (code == DPATTN_OK) {
                return Result<Buffer>(std::move(buffer));
            }
        }
    } catch (...) {
        return Failure(Status::out_of_memory, "no memory for the answer's buffer");
    }
}

} // namespace detail

// ---- Library ------------------------------------------------------------------------------------------------------------

/// (major << 16) | (minor << 8) | patch of the library in memory.
inline std::uint32_t version() noexcept { return dpattn_version(); }
/// "major.minor.patch"; static.
inline std::string_view version_string() noexcept { return dpattn_version_string(); }
/// JSON object: version, go, os, arch, simd, kernels, threads; static. Empty in a forked child.
inline std::string_view build_info() noexcept
{
    const char *json = dpattn_build_info();
    return json == nullptr ? std::string_view() : std::string_view(json);
}

/// Threads for long work, process-wide; 0: the default. Results do not depend on it. Errors: invalid_argument.
inline Result<> try_set_threads(std::int32_t threads) noexcept
{
    detail::ErrorText text;
    const std::int32_t code = dpattn_set_threads(threads, &text);
    return detail::outcome(code, text);
}
inline void set_threads(std::int32_t threads) { try_set_threads(threads).value(); }

/// What a release of `rows` rows (a public guess) would cost and how accurate it would be; needs no data. `target_error` is a wanted
/// standard deviation of an output coordinate in units of a value (answered by rows_for_error), or 0. params.degree 0 lets the plan
/// choose. Errors: invalid_argument, limit.
inline Result<PlanResult> try_plan(const Params &params, std::uint64_t rows, const Budget &budget, double target_error = 0) noexcept
{
    dpattn_params c;
    if (Failure f = detail::to_c(params, c); !f.ok()) {
        return f;
    }
    const dpattn_budget b = detail::to_c(budget);
    PlanResult result{};
    result.struct_size = static_cast<std::uint32_t>(sizeof(result));
    detail::ErrorText text;
    const std::int32_t code = dpattn_plan(&c, rows, &b, target_error, &result, &text);
    if (code != DPATTN_OK) {
        return detail::outcome(code, text);
    }
    return result;
}
inline PlanResult plan(const Params &params, std::uint64_t rows, const Budget &budget, double target_error = 0)
{
    return try_plan(params, rows, budget, target_error).value();
}

/// Merges two partial attention results over disjoint key sets (a private context and a public one):
/// out = (e^lse_a out_a + e^lse_b out_b) / (e^lse_a + e^lse_b), lse = ln(e^lse_a + e^lse_b). Shapes: out_* [(heads,) m, value_dim],
/// lse_* [(heads,) m, 1]. `out` may be out_a or out_b, `lse` may be lse_a or lse_b. An lse of -inf means an empty set.
/// Errors: invalid_argument.
inline Result<> try_merge(const Input &out_a, const Input &lse_a, const Input &out_b, const Input &lse_b, const Output &out,
                          const Output &lse = {}) noexcept
{
    const std::pair<const detail::View *, const char *> views[] = {{&out_a.view(), "out_a"}, {&lse_a.view(), "lse_a"}, {&out_b.view(), "out_b"},
                                                                   {&lse_b.view(), "lse_b"}, {&out.view(), "out"},     {&lse.view(), "lse"}};
    for (const auto &[view, name] : views) {
        if (Failure f = detail::check(*view, name); !f.ok()) {
            return f;
        }
    }
    detail::ErrorText text;
    const std::int32_t code =
        dpattn_merge(&out_a.view().raw, &lse_a.view().raw, &out_b.view().raw, &lse_b.view().raw, out.pointer(), lse.pointer(), &text);
    return detail::outcome(code, text);
}
inline void merge(const Input &out_a, const Input &lse_a, const Input &out_b, const Input &lse_b, const Output &out, const Output &lse = {})
{
    try_merge(out_a, lse_a, out_b, lse_b, out, lse).value();
}

// ---- Release (PUBLIC) -----------------------------------------------------------------------------------------------------

/// PUBLIC: the noisy state. Immutable; answers any number of queries, may be saved, shipped and published. Move-only; share()
/// makes a second owner of the same state. A moved-from release answers every call with invalid_handle.
class Release {
public:
    /// Takes over a handle of the C library. Errors: invalid_handle (the handle then stays the caller's).
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

    /// A release from the bytes of a release file. Errors: invalid_argument, corrupt, unsupported, out_of_memory.
    static Result<Release> try_from_bytes(span<const std::byte> bytes) noexcept
    {
        detail::ErrorText text;
        dpattn_release handle = 0;
        const std::int32_t code = dpattn_release_load(bytes.data(), bytes.size(), &handle, &text);
        return code == DPATTN_OK ? own(handle) : Result<Release>(detail::outcome(code, text));
    }
    static Release from_bytes(span<const std::byte> bytes) { return try_from_bytes(bytes).value(); }

    /// A release from a file. Errors: as from_bytes; invalid_argument when the file cannot be read.
    static Result<Release> try_load(const std::filesystem::path &path) noexcept
    {
        try {
            const std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.string().c_str(), "rb"), &std::fclose);
            if (!file) {
                return io_failure("cannot open", path);
            }
            std::vector<std::byte> bytes;
            std::array<std::byte, 16384> block;
            for (std::size_t n; (n = std::fread(block.data(), 1, block.size(), file.get())) != 0;) {
                bytes.insert(bytes.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(n));
            }
            if (std::ferror(file.get()) != 0) {
                return io_failure("cannot read", path);
            }
            return try_from_bytes(bytes);
        } catch (...) {
            return Failure(Status::out_of_memory, "no memory to read the file");
        }
    }
    static Release load(const std::filesystem::path &path) { return try_load(path).value(); }

    /// The bytes of a release file, the same on every machine. Errors: invalid_handle, out_of_memory.
    Result<std::vector<std::byte>> try_to_bytes() const noexcept
    {
        return detail::read_all<std::vector<std::byte>>([](std::size_t n) { return std::vector<std::byte>(n); },
                                                        [this](void *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                                                            return dpattn_release_save(handle(), data, capacity, needed, err);
                                                        });
    }
    std::vector<std::byte> to_bytes() const { return try_to_bytes().value(); }

    /// Writes a release file. Errors: as to_bytes; invalid_argument when the file cannot be written.
    Result<> try_save(const std::filesystem::path &path) const noexcept
    {
        try {
            Result<std::vector<std::byte>> bytes = try_to_bytes();
            if (!bytes) {
                return bytes.failure();
            }
            std::FILE *file = std::fopen(path.string().c_str(), "wb");
            if (file == nullptr) {
                return io_failure("cannot open", path);
            }
            const bool written = std::fwrite(bytes->data(), 1, bytes->size(), file) == bytes->size();
            const bool closed = std::fclose(file) == 0;
            return written && closed ? Result<>() : Result<>(io_failure("cannot write", path));
        } catch (...) {
            return Failure(Status::out_of_memory, "no memory for the file's path");
        }
    }
    void save(const std::filesystem::path &path) const { try_save(path).value(); }

    /// Answers queries of all heads into the caller's memory, and gives the number of queries that were longer than query_bound (scaled
    /// to it) or not finite (NaN in every output).
    ///   queries  [m, key_dim] for one head, else [heads, m, key_dim]
    ///   out      [m, value_dim] or [heads, m, value_dim]
    ///   lse      optional, [m, 1] or [heads, m, 1]: natural log of the denominator, for merge()
    ///   stddev   optional, shaped as out: predicted standard deviation of the noise in out, in units of a value
    /// Any dtypes. Errors: invalid_argument, invalid_handle.
    Result<std::uint64_t> try_attend(const Input &queries, const Output &out, const Output &lse = {}, const Output &stddev = {}) const noexcept
    {
        return answer(DPATTN_ALL_HEADS, queries, out, lse, stddev);
    }
    std::uint64_t attend(const Input &queries, const Output &out, const Output &lse = {}, const Output &stddev = {}) const
    {
        return try_attend(queries, out, lse, stddev).value();
    }

    /// The same for one head, with 2-D tensors: for callers that share out heads among threads of their own.
    Result<std::uint64_t> try_attend_head(std::uint32_t head, const Input &queries, const Output &out, const Output &lse = {},
                                          const Output &stddev = {}) const noexcept
    {
        if (Failure f = detail::check_head(head); !f.ok()) {
            return f;
        }
        return answer(static_cast<std::int32_t>(head), queries, out, lse, stddev);
    }
    std::uint64_t attend_head(std::uint32_t head, const Input &queries, const Output &out, const Output &lse = {}, const Output &stddev = {}) const
    {
        return try_attend_head(head, queries, out, lse, stddev).value();
    }

    /// The answers as a new row-major vector: [m, value_dim] or [heads, m, value_dim]. Errors: as above, out_of_memory.
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
            const Tensor<T> tensor = q.ndim == 3 ? Tensor<T>(out.data(), heads, rows, info_.value_dim) : Tensor<T>(out.data(), rows, info_.value_dim);
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

    /// Shapes, bounds, guarantee and sizes; all zero after a move.
    const Info &info() const noexcept { return info_; }

    /// JSON with everything needed to recompute the guarantee. Errors: invalid_handle, out_of_memory.
    Result<std::string> try_certificate() const noexcept
    {
        Result<std::string> json = detail::read_all<std::string>([](std::size_t n) { return std::string(n, '\0'); },
                                                                 [this](char *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                                                                     return dpattn_release_certificate(handle(), data, capacity, needed, err);
                                                                 });
        if (json && !json->empty()) {
            json->pop_back(); // the NUL
        }
        return json;
    }
    std::string certificate() const { return try_certificate().value(); }

    /// The noisy integers, row-major [heads][features][value_dim + 1]: public, for audits and other engines. Errors: as certificate.
    Result<std::vector<std::int64_t>> try_state() const noexcept
    {
        return detail::read_all<std::vector<std::int64_t>>([](std::size_t n) { return std::vector<std::int64_t>(n); },
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
    Result<std::uint64_t> answer(std::int32_t head, const Input &queries, const Output &out, const Output &lse, const Output &stddev) const noexcept
    {
        const std::pair<const detail::View *, const char *> views[] = {
            {&queries.view(), "queries"}, {&out.view(), "out"}, {&lse.view(), "lse"}, {&stddev.view(), "stddev"}};
        for (const auto &[view, name] : views) {
            if (Failure f = detail::check(*view, name); !f.ok()) {
                return f;
            }
        }
        detail::ErrorText text;
        std::uint64_t clipped = 0;
        const std::int32_t code =
            dpattn_release_attend_head(handle(), head, &queries.view().raw, out.pointer(), lse.pointer(), stddev.pointer(), &clipped, &text);
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

    static Failure io_failure(const char *what, const std::filesystem::path &path)
    {
        const int code = errno;
        return Failure(Status::invalid_argument, ("path: " + std::string(what) + " " + path.string() + ": " + std::strerror(code)).c_str());
    }

    detail::Handle<dpattn_release_free> handle_;
    Info info_{};
};

// ---- Builder (SECRET) -----------------------------------------------------------------------------------------------------

/// Bytes that must be protected like the private data: move-only, overwritten with zeros when destroyed.
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

/// What all releases of one data set may cost together: epsilon and delta, or mu alone.
struct Allowance {
    double epsilon = 0;       ///< > 0; 0 when mu is given
    double delta = 0;         ///< in (0, 1); 0 when mu is given
    double mu = 0;            ///< > 0, for releases by the Gaussian mechanism only; 0 when epsilon and delta are given
    double other_epsilon = 0; ///< the part of epsilon and delta that is set aside for mechanisms that are not Gaussian
    double other_delta = 0;
};

/// The account of one private data set, in a file: a release through it (Builder::release) is on disk before it is handed out, and what
/// cannot be afforded is refused. Move-only; any thread may use it; between calls no file is open. dpattn.h says more.
class Ledger {
public:
    /// Makes a new file, which replaces none. Errors: invalid_argument, io.
    static Result<Ledger> try_create(const std::filesystem::path &path, const Allowance &allowance) noexcept
    {
        dpattn_allowance a{};
        a.struct_size = static_cast<std::uint32_t>(sizeof(a));
        a.epsilon = allowance.epsilon;
        a.delta = allowance.delta;
        a.mu = allowance.mu;
        a.other_epsilon = allowance.other_epsilon;
        a.other_delta = allowance.other_delta;
        return own(path, [&a](const char *name, dpattn_ledger *ledger, dpattn_error *err) { return dpattn_ledger_create(name, &a, ledger, err); });
    }
    static Ledger create(const std::filesystem::path &path, const Allowance &allowance) { return try_create(path, allowance).value(); }

    /// A file that is there. Errors: io, busy, corrupt, unsupported.
    static Result<Ledger> try_open(const std::filesystem::path &path) noexcept { return own(path, &dpattn_ledger_open); }
    static Ledger open(const std::filesystem::path &path) { return try_open(path).value(); }

    /// The release with this label, once more, at no cost. Errors: invalid_argument, invalid_handle, mismatch, busy, io, corrupt, out_of_memory.
    Result<Release> try_load(const std::string &label) const noexcept
    {
        detail::ErrorText text;
        dpattn_release release = 0;
        const std::int32_t code = dpattn_ledger_load(handle(), label.c_str(), &release, &text);
        return code == DPATTN_OK ? Release::own(release) : Result<Release>(detail::outcome(code, text));
    }
    Release load(const std::string &label) const { return try_load(label).value(); }

    /// The statement, a JSON object (docs/format.md). Errors: invalid_handle, mismatch, busy, io, corrupt, out_of_memory; buffer_too_small if another
    /// process released in between.
    Result<std::string> try_show() const noexcept
    {
        Result<std::string> json = detail::read_all<std::string>([](std::size_t n) { return std::string(n, '\0'); },
                                                                 [this](char *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                                                                     return dpattn_ledger_show(handle(), data, capacity, needed, err);
                                                                 });
        if (json) {
            json->resize(std::strlen(json->c_str())); // less the NUL
        }
        return json;
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

/// SECRET: exact sums over private rows, without noise. Move-only; its memory is wiped by release() and by destruction. A moved-from
/// builder answers every call with invalid_handle, a released or merged one with consumed.
class Builder {
public:
    /// An empty builder. Memory: plan's state_bytes. Errors: invalid_argument, out_of_memory, unsupported.
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
    static Builder adopt(dpattn_builder handle) noexcept { return Builder(detail::Handle<dpattn_builder_free>(handle)); }

    /// A builder from an exported secret partial, to be merged once, or continued. Errors: invalid_argument, corrupt, unsupported, limit,
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
    /// Data never cause an error: long rows are scaled to the bounds, rows with NaN or Inf count as zero.
    /// Errors: invalid_argument, invalid_handle, consumed, cancelled, limit, out_of_memory; then no row of this call stays added.
    Result<> try_add(const Input &keys, const Input &values, span<const std::uint64_t> owners = {}, const Progress &progress = {}) noexcept
    {
        return add_rows(DPATTN_ALL_HEADS, all_heads(keys.view()), all_heads(values.view()), owners, progress);
    }
    void add(const Input &keys, const Input &values, span<const std::uint64_t> owners = {}, const Progress &progress = {})
    {
        try_add(keys, values, owners, progress).value();
    }

    /// Adds private rows of one head: keys [rows, key_dim], values [rows, value_dim]. Otherwise as add().
    Result<> try_add_head(std::uint32_t head, const Input &keys, const Input &values, span<const std::uint64_t> owners = {},
                          const Progress &progress = {}) noexcept
    {
        if (Failure f = detail::check_head(head); !f.ok()) {
            return f;
        }
        return add_rows(static_cast<std::int32_t>(head), keys.view(), values.view(), owners, progress);
    }
    void add_head(std::uint32_t head, const Input &keys, const Input &values, span<const std::uint64_t> owners = {}, const Progress &progress = {})
    {
        try_add_head(head, keys, values, owners, progress).value();
    }

    /// Adds everything in `from`, which is consumed and wiped on success and unchanged otherwise.
    /// Errors: invalid_argument (itself, or rows of a partial that are here already and would count twice), invalid_handle, consumed, mismatch,
    /// limit (rows, or partials).
    Result<> try_merge(Builder &&from) noexcept
    {
        detail::ErrorText text;
        const std::int32_t code = dpattn_builder_merge(handle(), from.handle(), &text);
        return detail::outcome(code, text);
    }
    void merge(Builder &&from) { try_merge(std::move(from)).value(); }

    /// The SECRET partial sums, un-noised, for another trusted process. The first export of a builder with rows names them by a random origin,
    /// by which merge() refuses to count them twice; another builder of the same rows has another. Errors: invalid_handle, consumed, entropy,
    /// out_of_memory.
    Result<SecretBytes> try_export_secret() const noexcept
    {
        return detail::read_all<SecretBytes>([](std::size_t n) { return SecretBytes(n); },
                                             [this](void *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                                                 return dpattn_builder_export_secret(handle(), data, capacity, needed, err);
                                             });
    }
    SecretBytes export_secret() const { return try_export_secret().value(); }

    /// SECRET counts: exact functions of the private data; do not publish them. Errors: invalid_handle, consumed.
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

    /// Spends the budget: adds exactly sampled noise, once, consumes this builder and wipes it. On any error the builder is as it was
    /// and nothing is spent.
    /// Errors: invalid_argument, invalid_handle, consumed, cancelled, entropy, limit, out_of_memory.
    Result<Release> try_release(const Budget &budget, const Progress &progress = {}) noexcept
    {
        return make_release(progress, [&](const dpattn_progress *watch, dpattn_release *release, dpattn_error *err) {
            const dpattn_budget b = detail::to_c(budget);
            return dpattn_builder_release(handle(), &b, watch, release, err);
        });
    }
    Release release(const Budget &budget, const Progress &progress = {}) { return try_release(budget, progress).value(); }

    /// The same through a ledger: the release that it has under label, at no cost, else a new one if it can be afforded, which is on disk
    /// before it is returned. "": a label of its own, the release's id.
    /// Errors: those above; overspent, mismatch, busy, io, corrupt.
    Result<Release> try_release(const Budget &budget, const Ledger &ledger, const std::string &label, const Progress &progress = {}) noexcept
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

    Result<> add_rows(std::int32_t head, const detail::View &keys, const detail::View &values, span<const std::uint64_t> owners,
                      const Progress &progress) noexcept
    {
        if (Failure f = detail::check(keys, "keys"); !f.ok()) {
            return f;
        }
        if (Failure f = detail::check(values, "values"); !f.ok()) {
            return f;
        }
        if (Failure f = detail::check(owners.size(), static_cast<std::size_t>(keys.raw.shape[keys.raw.ndim - 2]), "owners", "one a row"); !f.ok()) {
            return f;
        }
        detail::Watch watch(progress);
        detail::ErrorText text;
        const std::uint64_t *ids = owners.empty() ? nullptr : owners.data();
        const std::int32_t code = dpattn_builder_add(handle(), head, &keys.raw, &values.raw, ids, watch.pointer(), &text);
        return detail::outcome(code, text, watch.cause());
    }

    detail::Handle<dpattn_builder_free> handle_;
};

// ---- Range sums and distances (PUBLIC) --------------------------------------------------------------------------------

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
        return read_all<std::vector<std::byte>>([](std::size_t n) { return std::vector<std::byte>(n); },
                                                [this](void *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                                                    return Save(handle(), data, capacity, needed, err);
                                                });
    }
    std::vector<std::byte> to_bytes() const { return try_to_bytes().value(); }

    /// JSON with everything needed to recompute the guarantee. Errors: invalid_handle, out_of_memory.
    Result<std::string> try_certificate() const noexcept
    {
        Result<std::string> json = read_all<std::string>([](std::size_t n) { return std::string(n, '\0'); },
                                                         [this](char *data, std::size_t capacity, std::size_t *needed, dpattn_error *err) {
                                                             return CertificateOf(handle(), data, capacity, needed, err);
                                                         });
        if (json && !json->empty()) {
            json->pop_back(); // the NUL
        }
        return json;
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

/// The paper's DPTree: noisy sums over ranges of an ordered private list. Movable; safe from any number of threads.
class Tree : public detail::Structure<Tree, dpattn_tree_free, dpattn_tree_info, dpattn_tree_certificate, dpattn_tree_save, dpattn_tree_load> {
public:
    /// Spends the budget on private values; value i belongs to place i, or to positions[i] if there are any. owners: one id a value with
    /// params.owner_rows >= 1, else empty. Errors: invalid_argument, cancelled, entropy, limit, out_of_memory.
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
        const std::int32_t code =
            dpattn_tree_create(&p, values.data(), positions.empty() ? nullptr : positions.data(), owners.empty() ? nullptr : owners.data(),
                               values.size(), &b, watch.pointer(), nullptr, &tree, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text, watch.cause());
        }
        return Tree(detail::Handle<dpattn_tree_free>(tree));
    }
    Tree(const StructureParams &params, const Budget &budget, span<const double> values, span<const std::int64_t> positions = {},
         span<const std::uint64_t> owners = {}, const Progress &progress = {})
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

/// The paper's DPTreeDistance in any dimension: noisy sums of distances to private points. Movable; safe from any number of threads.
class Distance : public detail::Structure<Distance, dpattn_distance_free, dpattn_distance_info, dpattn_distance_certificate, dpattn_distance_save,
                                          dpattn_distance_load> {
public:
    /// Spends the budget on private points [rows, dim] with weights [rows, 1], any dtypes; without weights every weight is params.weight.
    /// Errors: invalid_argument, cancelled, entropy, limit, out_of_memory.
    static Result<Distance> try_create(const StructureParams &params, const Budget &budget, const Input &points,
                                       const std::optional<Input> &weights = {}, span<const std::uint64_t> owners = {},
                                       const Progress &progress = {}) noexcept
    {
        if (Failure f = detail::check(points.view(), "points"); !f.ok()) {
            return f;
        }
        if (weights) {
            if (Failure f = detail::check(weights->view(), "weights"); !f.ok()) {
                return f;
            }
        }
        const dpattn_tensor &x = points.view().raw;
        if (Failure f = detail::check(owners.size(), static_cast<std::size_t>(x.shape[x.ndim - 2]), "owners", "one a point"); !f.ok()) {
            return f;
        }
        const dpattn_structure_params p = detail::to_c(params);
        const dpattn_budget b = detail::to_c(budget);
        detail::Watch watch(progress);
        detail::ErrorText text;
        dpattn_distance distance = 0;
        const std::int32_t code = dpattn_distance_create(&p, &x, weights ? &weights->view().raw : nullptr, owners.empty() ? nullptr : owners.data(), &b,
                                                         watch.pointer(), nullptr, &distance, &text);
        if (code != DPATTN_OK) {
            return detail::outcome(code, text, watch.cause());
        }
        return Distance(detail::Handle<dpattn_distance_free>(distance));
    }
    Distance(const StructureParams &params, const Budget &budget, const Input &points, const std::optional<Input> &weights = {},
             span<const std::uint64_t> owners = {}, const Progress &progress = {})
        : Distance(try_create(params, budget, points, weights, owners, progress).value())
    {
    }

    /// Sums of weight * |point - y|_1 into l1 [m, 1] and of weight * |point - y|^2 into l2 [m, 1], for queries [m, dim]; either may be left out.
    /// Errors: invalid_argument, invalid_handle, unsupported (l2 without params.squared).
    Result<> try_query(const Input &queries, const Output &l1, const Output &l2 = {}) const noexcept
    {
        if (Failure f = detail::check(queries.view(), "queries"); !f.ok()) {
            return f;
        }
        for (const auto &[output, name] : {std::pair(&l1, "l1"), std::pair(&l2, "l2")}) {
            if (Failure f = detail::check(output->view(), name); !f.ok()) {
                return f;
            }
        }
        detail::ErrorText text;
        const std::int32_t code = dpattn_distance_query(handle(), &queries.view().raw, l1.pointer(), l2.pointer(), &text);
        return detail::outcome(code, text);
    }
    void query(const Input &queries, const Output &l1, const Output &l2 = {}) const { try_query(queries, l1, l2).value(); }

private:
    friend Structure;
    explicit Distance(detail::Handle<dpattn_distance_free> handle) noexcept : Structure(std::move(handle)) {}
};

} // namespace dpattn

#endif // DPATTN_HPP
