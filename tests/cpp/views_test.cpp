// Spans, tensors and the types of the interface: what needs no builder.
#include "harness.hpp"

#include <type_traits>

using dpattn::Builder;
using dpattn::Input;
using dpattn::Output;
using dpattn::Release;
using dpattn::Tensor;

// Owners move and never copy; moving never throws.
static_assert(std::is_nothrow_move_constructible_v<Builder> && std::is_nothrow_move_assignable_v<Builder>);
static_assert(!std::is_copy_constructible_v<Builder> && !std::is_copy_assignable_v<Builder>);
static_assert(std::is_nothrow_move_constructible_v<Release> && std::is_nothrow_move_assignable_v<Release>);
static_assert(!std::is_copy_constructible_v<Release> && !std::is_copy_assignable_v<Release>);
static_assert(!std::is_copy_constructible_v<dpattn::SecretBytes> &&
              std::is_nothrow_move_constructible_v<dpattn::SecretBytes>);
static_assert(std::is_copy_constructible_v<dpattn::Params> && std::is_nothrow_move_constructible_v<dpattn::Params>);

// Anything may be read; only memory that is not const may be written.
static_assert(std::is_convertible_v<Tensor<const float>, Input> && std::is_convertible_v<Tensor<double>, Input>);
static_assert(std::is_convertible_v<Tensor<float>, Output> && !std::is_convertible_v<Tensor<const float>, Output>);

// Spans take what is contiguous, and temporaries only as const.
static_assert(std::is_convertible_v<std::vector<float> &, dpattn::span<float>>);
static_assert(std::is_convertible_v<std::vector<float> &, dpattn::span<const float>>);
static_assert(std::is_convertible_v<const std::vector<float> &, dpattn::span<const float>>);
static_assert(!std::is_convertible_v<const std::vector<float> &, dpattn::span<float>>);
static_assert(!std::is_convertible_v<std::vector<float>, dpattn::span<float>>);
static_assert(!std::is_convertible_v<std::vector<double> &, dpattn::span<float>>);
static_assert(std::is_convertible_v<dpattn::span<float>, dpattn::span<const float>>);

// Every try_ function is noexcept.
static_assert(noexcept(Builder::try_create(std::declval<const dpattn::Params &>())));
static_assert(noexcept(std::declval<Builder &>().try_add(std::declval<Input &>(), std::declval<Input &>(),
                                                         dpattn::span<const std::uint64_t>(),
                                                         std::declval<dpattn::Progress &>())));
static_assert(noexcept(std::declval<const Release &>().try_attend(std::declval<Input &>(), std::declval<Output &>())));
static_assert(noexcept(std::declval<const Release &>().try_attend<double>(std::declval<Input &>())));

TEST(span_views_containers)
{
    std::vector<float> v = {1, 2, 3};
    std::array<float, 2> a = {4, 5};
    float c[] = {6, 7, 8, 9};
    const dpattn::span<const float> sv = v, sa = a, sc = c, none;
    CHECK(sv.data() == v.data() && sv.size() == 3 && sv[2] == 3);
    CHECK(sa.data() == a.data() && sa.size() == 2);
    CHECK(sc.data() == c && sc.size() == 4);
    CHECK(none.empty() && none.size() == 0);
    float sum = 0;
    for (const float x : sv) {
        sum += x;
    }
    CHECK(sum == 6);
}

TEST(tensor_finds_its_type)
{
    std::vector<float> v(6);
    const std::vector<double> w(6);
    std::array<dpattn::bf16, 6> b{};
    const dpattn::f16 h[6] = {};
    static_assert(std::is_same_v<decltype(Tensor(v, 2, 3)), Tensor<float>>);
    static_assert(std::is_same_v<decltype(Tensor(w, 2, 3)), Tensor<const double>>);
    static_assert(std::is_same_v<decltype(Tensor(b, 1, 2, 3)), Tensor<dpattn::bf16>>);
    static_assert(std::is_same_v<decltype(Tensor(v.data(), 2, 3)), Tensor<float>>);
    static_assert(std::is_same_v<decltype(Tensor(w.data(), 1, 2, 3)), Tensor<const double>>);
    CHECK(Tensor(v, 2, 3).view().raw.dtype == DPATTN_F32);
    CHECK(Tensor(w, 2, 3).view().raw.dtype == DPATTN_F64);
    CHECK(Tensor(b, 2, 3).view().raw.dtype == DPATTN_BF16);
    CHECK(Tensor<const dpattn::f16>(h, 2, 3).view().raw.dtype == DPATTN_F16);
}

TEST(tensor_lays_out_rows)
{
    std::vector<double> v(24);
    const Tensor t(v, 2, 3, 4);
    const dpattn_tensor &raw = t.view().raw;
    CHECK(raw.ndim == 3 && raw.shape[0] == 2 && raw.shape[1] == 3 && raw.shape[2] == 4);
    CHECK(raw.strides[0] == 96 && raw.strides[1] == 32 && raw.strides[2] == 8);
    CHECK(t.heads() == 2 && t.rows() == 3 && t.cols() == 4);

    const Tensor turned = t.transposed();
    CHECK(turned.rows() == 4 && turned.cols() == 3 && turned.view().raw.strides[1] == 8 &&
          turned.view().raw.strides[2] == 32);

    const Tensor part = t.slice(1, 2);
    CHECK(part.rows() == 2 && part.heads() == 2 && part.view().raw.data == &v[4] && part.view().raw.strides[0] == 96);
    CHECK(t.slice(3, 0).rows() == 0);

    const Tensor<double> reversed(&v[8], {3, 4}, {-32, 8});
    CHECK(reversed.heads() == 1 && reversed.rows() == 3 && reversed.view().raw.strides[0] == -32);
}

TEST(result_holds_a_value_or_a_failure)
{
    dpattn::Result<int> good(7);
    CHECK(good.ok() && good && good.value() == 7 && *good == 7 && good.status() == dpattn::Status::ok);

    const dpattn::Failure failure(dpattn::Status::limit, "too much");
    dpattn::Result<int> bad(failure);
    CHECK(!bad.ok() && !bad && bad.status() == dpattn::Status::limit && bad.message() == "too much");
    CHECK_THROWS(bad.value(), dpattn::Status::limit, "LIMIT: too much");

    const dpattn::Result<> nothing;
    CHECK(nothing.ok());
    const dpattn::Result<> refused(failure);
    CHECK_THROWS(refused.value(), dpattn::Status::limit, "LIMIT: too much");
}

TEST(secret_bytes_move)
{
    dpattn::SecretBytes a(4);
    a.data()[3] = std::byte{9};
    dpattn::SecretBytes b(std::move(a)), c;
    CHECK(a.size() == 0); // NOLINT: a moved-from object is what is tested
    CHECK(b.size() == 4 && b.data()[3] == std::byte{9});
    c = std::move(b);
    CHECK(b.size() == 0 && c.size() == 4); // NOLINT
}

TEST(library_says_what_it_is)
{
    CHECK(dpattn::version() >> 16 == DPATTN_VERSION_MAJOR);
    CHECK(dpattn::version_string() == std::to_string(DPATTN_VERSION_MAJOR) + "." +
                                          std::to_string(DPATTN_VERSION_MINOR) + "." +
                                          std::to_string(DPATTN_VERSION_PATCH));
    // Static, since its only other owner is out of a leak checker's sight.
    static const std::string_view info = dpattn::build_info();
    CHECK(info.substr(0, 1) == "{" && harness::has(std::string(info), "simd"));
    CHECK(std::string(to_string(dpattn::Status::corrupt)) == "CORRUPT");
    CHECK(std::string(to_string(static_cast<dpattn::Status>(99))) == "UNKNOWN");
    CHECK_FAILS(dpattn::try_set_threads(-1), dpattn::Status::invalid_argument, "threads");
    CHECK_THROWS(dpattn::set_threads(5000), dpattn::Status::invalid_argument, "threads");
    dpattn::set_threads(0);
}
