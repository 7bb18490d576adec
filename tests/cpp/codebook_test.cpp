// The codebook mechanism through Builder and Release, and its release as keys, values and biases.
#include "harness.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

using dpattn::Release;
using dpattn::Status;
using dpattn::Tensor;

static_assert(noexcept(std::declval<const Release &>().try_kv<float>()));

namespace {

constexpr std::size_t heads = 2, cells = 6, key_dim = 3, value_dim = 2, rows = 120, asked = 5;

std::vector<double> drawn(std::size_t count, unsigned seed)
{
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> number(-0.5, 0.5);
    std::vector<double> numbers(count);
    std::generate(numbers.begin(), numbers.end(), [&] { return number(random); });
    return numbers;
}

dpattn::Params codebook_params()
{
    dpattn::Params params;
    params.mechanism = dpattn::Mechanism::codebook;
    params.adjacency = dpattn::Adjacency::replace;
    params.heads = heads, params.key_dim = key_dim, params.value_dim = value_dim;
    params.key_bound = params.value_bound = 1;
    params.scale = 12;
    params.cells = cells;
    params.codebook = drawn(heads * cells * key_dim, 1);
    return params;
}

Release codebook_release(double epsilon = 2)
{
    dpattn::Builder builder(codebook_params());
    const std::vector<double> keys = drawn(heads * rows * key_dim, 2), values = drawn(heads * rows * value_dim, 3);
    builder.add(Tensor(keys, heads, rows, key_dim), Tensor(values, heads, rows, value_dim));
    return builder.release({epsilon, 1e-6});
}

} // namespace

TEST(softmax_over_keys_and_values_is_attend)
{
    const Release release = codebook_release();
    CHECK(release.info().mechanism == DPATTN_CODEBOOK && release.info().cells == cells);
    const std::vector<double> queries = drawn(heads * asked * key_dim, 4);
    const std::vector<double> out = release.attend<double>(Tensor(queries, heads, asked, key_dim));
    const dpattn::KeysValues<double> kv = release.kv<double>();
    CHECK(kv.keys.size() == heads * cells * key_dim && kv.values.size() == heads * cells * value_dim);
    CHECK(kv.bias.size() == heads * cells);
    for (std::size_t i = 0; i < heads * asked; i++) {
        double sum = 0;
        std::vector<double> want(value_dim, 0);
        for (std::size_t m = i / asked * cells; m < (i / asked + 1) * cells; m++) {
            double logit = kv.bias[m];
            for (std::size_t c = 0; c < key_dim; c++) {
                logit += release.info().scale * queries[i * key_dim + c] * kv.keys[m * key_dim + c];
            }
            sum += std::exp(logit);
            for (std::size_t c = 0; c < value_dim; c++) {
                want[c] += std::exp(logit) * kv.values[m * value_dim + c];
            }
        }
        for (std::size_t c = 0; c < value_dim; c++) {
            CHECK_NEAR(out[i * value_dim + c], want[c] / sum, 1e-5);
        }
    }
    CHECK(Release::from_bytes(release.to_bytes()).kv<double>().values == kv.values);
}

TEST(keys_and_values_go_where_the_caller_wants)
{
    const Release release = codebook_release();
    const dpattn::KeysValues<float> kv = release.kv();
    // Keys transposed, values in double precision with a gap behind each row, and 16-bit biases.
    std::vector<float> keys(heads * cells * key_dim);
    std::vector<double> values(heads * cells * 4, 7);
    std::vector<dpattn::bf16> bias(heads * cells);
    constexpr std::ptrdiff_t f = sizeof(float), d = sizeof(double);
    const Tensor<float> turned(keys.data(), {heads, cells, key_dim},
                               {f * static_cast<std::ptrdiff_t>(cells * key_dim), f, f * std::ptrdiff_t{cells}});
    const Tensor<double> gaps(values.data(), {heads, cells, value_dim}, {d * std::ptrdiff_t{cells} * 4, 4 * d, d});
    release.kv(turned, gaps, Tensor(bias, heads, cells));
    for (std::size_t m = 0; m < heads * cells; m++) {
        for (std::size_t c = 0; c < key_dim; c++) {
            CHECK(keys[m / cells * cells * key_dim + c * cells + m % cells] == kv.keys[m * key_dim + c]);
        }
        for (std::size_t c = 0; c < value_dim; c++) {
            CHECK(static_cast<float>(values[m * 4 + c]) == kv.values[m * value_dim + c]);
        }
        CHECK(values[m * 4 + 2] == 7 && values[m * 4 + 3] == 7);
        const std::uint32_t bits = static_cast<std::uint32_t>(bias[m].bits) << 16;
        float wide = 0;
        std::memcpy(&wide, &bits, sizeof wide);
        CHECK_NEAR(static_cast<double>(wide), static_cast<double>(kv.bias[m]),
                   std::fabs(static_cast<double>(kv.bias[m])) / 256);
    }
}

TEST(keys_and_values_that_do_not_fit_are_refused)
{
    Release release = codebook_release();
    std::vector<float> keys(heads * cells * key_dim, 7), values(heads * cells * value_dim, 7), bias(heads * cells, 7);
    const Tensor<float> k(keys, heads, cells, key_dim), v(values, heads, cells, value_dim), b(bias, heads, cells);
    CHECK_THROWS(release.kv(Tensor(keys, heads, cells + 1, key_dim), v, b), Status::invalid_argument, "keys");
    CHECK_FAILS(release.try_kv(k, Tensor(values, heads, cells - 1, value_dim), b), Status::invalid_argument, "values");
    CHECK_FAILS(release.try_kv(k, v, {}), Status::invalid_argument, "bias");
    CHECK_FAILS(release.try_kv(k, k, b), Status::invalid_argument, "values.shape");
    CHECK_FAILS(release.try_kv(k, v, Tensor(values, heads, cells)), Status::invalid_argument, "overlap");
    CHECK(keys == std::vector<float>(keys.size(), 7) && values == std::vector<float>(values.size(), 7));

    dpattn::Params params;
    params.adjacency = dpattn::Adjacency::add_remove;
    params.key_dim = key_dim, params.value_dim = value_dim;
    params.key_bound = params.value_bound = params.query_bound = 1;
    const Release moments = dpattn::Builder(params).release({1, 1e-6});
    CHECK_FAILS(moments.try_kv(), Status::unsupported, "codebook");
    CHECK_THROWS(moments.kv<double>(), Status::unsupported, "codebook");

    const Release moved = std::move(release);
    CHECK(moved.try_kv().ok());
    CHECK_FAILS(release.try_kv(), Status::invalid_handle, "release");
}

TEST(codebook_parameters_are_checked)
{
    dpattn::Params params = codebook_params();
    params.codebook.pop_back();
    CHECK_FAILS(dpattn::Builder::try_create(params), Status::invalid_argument, "codebook");
    params.codebook.clear();
    CHECK_FAILS(dpattn::Builder::try_create(params), Status::invalid_argument, "codebook");
    params = codebook_params();
    params.query_bound = 1;
    CHECK_FAILS(dpattn::Builder::try_create(params), Status::invalid_argument, "query_bound");
    params = codebook_params();
    params.mechanism = dpattn::Mechanism::gaussian;
    params.query_bound = 1;
    CHECK_FAILS(dpattn::Builder::try_create(params), Status::invalid_argument, "params.c");
}
