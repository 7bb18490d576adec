// What C++ repeats of dpattn.h: every field of its input structs, every status.
#include "harness.hpp"

#include <array>
#include <cstring>

namespace {

/// Numbers without a 32-bit word of zeros.
constexpr double full = 0.1;
constexpr std::uint64_t full64 = 0x100000001;

/// The offsets of the 32-bit words of a C struct that are zero.
template <class T>
std::vector<std::size_t> zero_words(const T &c)
{
    std::array<std::uint32_t, sizeof(T) / 4> words;
    static_assert(sizeof(words) == sizeof(T));
    std::memcpy(words.data(), &c, sizeof(c));
    std::vector<std::size_t> zeros;
    for (std::size_t i = 0; i < words.size(); i++) {
        if (words[i] == 0) {
            zeros.push_back(4 * i);
        }
    }
    return zeros;
}

} // namespace

TEST(every_field_of_params_reaches_c)
{
    dpattn::Params params;
    params.heads = params.key_dim = params.value_dim = params.degree = params.owner_rows = 1;
    params.mechanism = dpattn::Mechanism::gaussian;
    params.polynomial = dpattn::Polynomial::minimax;
    params.adjacency = dpattn::Adjacency::replace;
    params.rotation = dpattn::Rotation::none;
    params.key_bound = params.value_bound = params.query_bound = params.scale = params.lambda = full;
    params.center = params.head_weights = params.codebook = {full};
    params.owner_bound = params.range = params.value_range = params.relative_error = full;
    params.failure_probability = params.copy_factor = full;
    params.rows = full64;
    params.leaves = params.copies = params.cells = 1;
    params.trees = dpattn::Trees::kept;
    dpattn_params c;
    CHECK(dpattn::detail::to_c(params, c).ok());
    // Pointers are compared, since their upper halves may be zero.
    CHECK(c.center == params.center.data() && c.head_weights == params.head_weights.data());
    CHECK(c.codebook == params.codebook.data());
    std::memset(&c.center, 1, sizeof(c.center));
    std::memset(&c.head_weights, 1, sizeof(c.head_weights));
    std::memset(&c.codebook, 1, sizeof(c.codebook));
    const std::vector<std::size_t> reserved = {offsetof(dpattn_params, reserved), offsetof(dpattn_params, reserved_2)};
    CHECK(zero_words(c) == reserved);
    CHECK(c.struct_size == sizeof(dpattn_params));
}

TEST(every_field_of_the_other_structs_reaches_c)
{
    const dpattn_budget budget = dpattn::detail::to_c(dpattn::Budget{full, full});
    CHECK(zero_words(budget) == std::vector<std::size_t>{offsetof(dpattn_budget, reserved)});

    const dpattn_allowance allowance = dpattn::detail::to_c(dpattn::Allowance{full, full, full, full, full});
    CHECK(zero_words(allowance) == std::vector<std::size_t>{offsetof(dpattn_allowance, reserved)});

    dpattn::StructureParams params;
    params.adjacency = dpattn::Adjacency::replace;
    params.owner_rows = params.leaves = params.dim = 1;
    params.squared = true;
    params.range = params.weight = full;
    CHECK(zero_words(dpattn::detail::to_c(params)).empty());
}

TEST(every_status_has_a_name)
{
    const auto last = static_cast<std::int32_t>(dpattn::Status::io);
    for (std::int32_t code = 0; code <= last; code++) {
        CHECK(std::string(to_string(static_cast<dpattn::Status>(code))) != "UNKNOWN");
    }
    CHECK(std::string(to_string(static_cast<dpattn::Status>(last + 1))) == "UNKNOWN");
}
