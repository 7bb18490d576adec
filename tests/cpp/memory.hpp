// What the tests share: a small private memory, and attention over it in double precision.
#ifndef DPATTN_TESTS_CPP_MEMORY_HPP
#define DPATTN_TESTS_CPP_MEMORY_HPP

#include "dpattn.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#define HAS_FORK 1
#endif

/// heads x rows keys and values of norm <= 1, on a grid of 1/64: the same numbers in every dtype
/// (bf16 keeps 8 bits).
struct Memory {
    std::size_t heads, rows, key_dim, value_dim;
    std::vector<float> keys, values;

    explicit Memory(std::size_t rows_, std::size_t heads_ = 1, std::size_t key_dim_ = 4, std::size_t value_dim_ = 3,
                    unsigned seed = 1)
        : heads(heads_), rows(rows_), key_dim(key_dim_), value_dim(value_dim_)
    {
        std::mt19937 random(seed);
        fill(keys, heads * rows, key_dim, random);
        fill(values, heads * rows, value_dim, random);
    }

    dpattn::Tensor<const float> K() const
    {
        return heads == 1 ? dpattn::Tensor<const float>(keys, rows, key_dim)
                          : dpattn::Tensor<const float>(keys, heads, rows, key_dim);
    }
    dpattn::Tensor<const float> V() const
    {
        return heads == 1 ? dpattn::Tensor<const float>(values, rows, value_dim)
                          : dpattn::Tensor<const float>(values, heads, rows, value_dim);
    }

    dpattn::Params params() const
    {
        dpattn::Params p;
        p.heads = static_cast<std::uint32_t>(heads);
        p.key_dim = static_cast<std::uint32_t>(key_dim);
        p.value_dim = static_cast<std::uint32_t>(value_dim);
        p.degree = 3;
        p.polynomial = dpattn::Polynomial::taylor;
        p.adjacency = dpattn::Adjacency::add_remove;
        p.key_bound = p.query_bound = p.value_bound = 1;
        p.scale = 1;
        return p;
    }

    /// sum_j p(<q, k_j>) v_j / sum_j p(<q, k_j>), p the Taylor polynomial of degree 3; lse is the
    /// ln of the denominator.
    std::vector<double> attend(const float *query, std::size_t head, double *lse = nullptr) const
    {
        std::vector<double> out(value_dim, 0);
        double denominator = 0;
        for (std::size_t j = head * rows; j < (head + 1) * rows; j++) {
            double x = 0;
            for (std::size_t i = 0; i < key_dim; i++) {
                x += static_cast<double>(query[i]) * static_cast<double>(keys[j * key_dim + i]);
            }
            const double w = 1 + x * (1 + x / 2 * (1 + x / 3));
            denominator += w;
            for (std::size_t c = 0; c < value_dim; c++) {
                out[c] += w * static_cast<double>(values[j * value_dim + c]);
            }
        }
        for (double &o : out) {
            o /= denominator;
        }
        if (lse != nullptr) {
            *lse = std::log(denominator);
        }
        return out;
    }

private:
    static void fill(std::vector<float> &rows_of, std::size_t n, std::size_t dim, std::mt19937 &random)
    {
        std::uniform_int_distribution<int> grid(-32, 32); // norm <= sqrt(dim)/2 <= 1 for dim <= 4
        for (std::size_t i = 0; i < n * dim; i++) {
            rows_of.push_back(static_cast<float>(grid(random)) / 64.0F);
        }
    }
};

/// So much budget that the noise is small beside quantisation: for tests of arithmetic, not of
/// privacy.
inline const dpattn::Budget plenty = {1e5, 1e-9};

/// A release of 20 rows.
inline dpattn::Release small_release(const dpattn::Budget &budget = {1, 1e-6})
{
    const Memory memory(20);
    dpattn::Builder builder(memory.params());
    builder.add(memory.K(), memory.V());
    return builder.release(budget);
}

/// A query for small_release.
inline const std::vector<float> one_query_numbers = {0.5F, -0.25F, 0.125F, 0.75F};
inline const dpattn::Tensor<const float> one_query(one_query_numbers, 1, 4);

/// A path where nothing is, and nothing will be at the end of the test.
struct Scratch {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("dpattn_test_" + std::to_string(next()));
    ~Scratch()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }

private:
    static long next()
    {
        static long n = 0;
#ifdef HAS_FORK
        return static_cast<long>(getpid()) * 1000 + n++;
#else
        return n++;
#endif
    }
};

/// A number of at most 8 significant bits as bfloat16 and as binary16; exact for the grid of
/// Memory.
inline dpattn::bf16 to_bf16(float x)
{
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return {static_cast<std::uint16_t>(bits >> 16)};
}
inline float to_float(dpattn::bf16 x)
{
    const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16;
    float f;
    std::memcpy(&f, &bits, sizeof(f));
    return f;
}
inline dpattn::f16 to_f16(float x)
{
    if (x == 0) {
        return {0};
    }
    int exponent;
    const float fraction = std::frexp(std::fabs(x), &exponent); // in [1/2, 1)
    const auto mantissa = static_cast<unsigned>(std::lround(std::ldexp(fraction, 11))) & 0x3FFU;
    return {static_cast<std::uint16_t>((x < 0 ? 0x8000U : 0U) | static_cast<unsigned>(exponent + 14) << 10 | mantissa)};
}
inline float to_float(dpattn::f16 x)
{
    const int exponent = x.bits >> 10 & 31;
    const float mantissa = static_cast<float>(x.bits & 0x3FF);
    const float size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
    return (x.bits & 0x8000) != 0 ? -size : size;
}

#endif
