// The whole way: rows -> builder -> release -> answers, in every layout and dtype.
#include "harness.hpp"
#include "memory.hpp"

#include <algorithm>
#include <limits>
#include <thread>

using dpattn::Builder;
using dpattn::Release;
using dpattn::Status;
using dpattn::Tensor;

namespace {

const std::vector<float> queries = {0.5F, -0.25F, 0.125F, 0.75F, -0.5F, 0.5F, 0.5F, 0.5F, 0, 0, 0, 0};
const Tensor<const float> Q(queries, 3, 4);

Builder filled(const Memory &memory, const dpattn::Params &params)
{
    Builder builder(params);
    builder.add(memory.K(), memory.V());
    return builder;
}
Builder filled(const Memory &memory) { return filled(memory, memory.params()); }

/// What a partial holds after its origins and before its checksum (docs/formats.md): the same for
/// the same rows, whichever builders they are in.
dpattn::span<const std::byte> rows_in(const dpattn::SecretBytes &partial)
{
    std::size_t origins = 0;
    for (std::size_t i = 8; i-- > 0;) {
        origins = origins << 8 | std::to_integer<std::size_t>(partial.data()[20 + i]);
    }
    const std::size_t before = 28 + 16 * origins;
    return {partial.data() + before, partial.size() - before - 32};
}
bool same(const Builder &a, const Builder &b)
{
    const dpattn::SecretBytes x = a.export_secret(), y = b.export_secret();
    const auto rows_x = rows_in(x), rows_y = rows_in(y);
    return std::memcmp(x.data(), y.data(), 20) == 0 && rows_x.size() == rows_y.size() &&
           std::memcmp(rows_x.data(), rows_y.data(), rows_x.size()) == 0;
}

template <class T>
std::vector<T> convert(const std::vector<float> &from, T (*to)(float))
{
    std::vector<T> out;
    for (const float x : from) {
        out.push_back(to(x));
    }
    return out;
}

} // namespace

TEST(answers_are_attention)
{
    const Memory memory(500);
    Builder builder = filled(memory);
    const Release release = builder.release(plenty);

    std::vector<double> out(9), lse(3), stddev(9);
    CHECK(release.attend(Q, Tensor(out, 3, 3), Tensor(lse, 3, 1), Tensor(stddev, 3, 3)) == 0);
    for (std::size_t i = 0; i < 3; i++) {
        double expected_lse;
        const std::vector<double> expected = memory.attend(&queries[4 * i], 0, &expected_lse);
        CHECK_NEAR(lse[i], expected_lse, 1e-3);
        for (std::size_t c = 0; c < 3; c++) {
            CHECK(stddev[3 * i + c] > 0 && stddev[3 * i + c] < 1e-3);
            CHECK_NEAR(out[3 * i + c], expected[c], 1e-3 + 6 * stddev[3 * i + c]);
        }
    }
    const std::vector<float> made = release.attend(Q);
    const std::vector<double> made64 = release.attend<double>(Q);
    CHECK(made64 == out);
    CHECK(made.size() == 9 && made[4] == static_cast<float>(out[4]));
}

TEST(chunks_and_slices_give_the_same_bits)
{
    const Memory memory(100);
    const Builder whole = filled(memory);
    Builder chunked(memory.params());
    for (const std::size_t begin : {60U, 0U, 99U, 20U}) {
        const std::size_t count = begin == 99 ? 1 : begin == 60 ? 39 : begin == 0 ? 20 : 40;
        chunked.add(memory.K().slice(begin, count), memory.V().slice(begin, count));
    }
    chunked.add(memory.K().slice(100, 0), memory.V().slice(100, 0)); // nothing
    CHECK(same(whole, chunked));
    CHECK(chunked.diagnostics().rows == 100);
}

TEST(strided_rows_give_the_same_bits)
{
    const Memory memory(64);
    const std::size_t n = memory.rows, d = memory.key_dim;
    const Builder plain = filled(memory);

    std::vector<float> columns(n * d), padded(n * (d + 3), std::numeric_limits<float>::quiet_NaN());
    for (std::size_t j = 0; j < n; j++) {
        for (std::size_t i = 0; i < d; i++) {
            columns[i * n + j] = padded[j * (d + 3) + i] = memory.keys[j * d + i];
        }
    }
    Builder transposed(memory.params());
    transposed.add(Tensor(columns, d, n).transposed(), memory.V());
    CHECK(same(plain, transposed));

    Builder stepped(memory.params());
    stepped.add(Tensor<const float>(padded.data(), {n, d},
                                    {static_cast<std::ptrdiff_t>((d + 3) * sizeof(float)), sizeof(float)}),
                memory.V());
    CHECK(same(plain, stepped));

    const std::ptrdiff_t key_step = -static_cast<std::ptrdiff_t>(d * sizeof(float)),
                         value_step = -static_cast<std::ptrdiff_t>(3 * sizeof(float));
    Builder backwards(memory.params());
    backwards.add(Tensor<const float>(&memory.keys[(n - 1) * d], {n, d}, {key_step, sizeof(float)}),
                  Tensor<const float>(&memory.values[(n - 1) * 3], {n, 3}, {value_step, sizeof(float)}));
    CHECK(same(plain, backwards));

    const std::vector<float> one_value = {0.5F, 0.25F, -0.5F};
    std::vector<float> repeated;
    for (std::size_t j = 0; j < n; j++) {
        repeated.insert(repeated.end(), one_value.begin(), one_value.end());
    }
    Builder broadcast(memory.params()), written_out(memory.params());
    broadcast.add(memory.K(), Tensor<const float>(one_value.data(), {n, 3}, {0, sizeof(float)}));
    written_out.add(memory.K(), Tensor(repeated, n, 3));
    CHECK(same(broadcast, written_out));
}

TEST(strided_answers_land_where_they_should)
{
    const Memory memory(200);
    Builder builder = filled(memory);
    const Release release = builder.release(plenty);
    const std::vector<float> plain = release.attend(Q);

    std::vector<float> columns(9, -7), padded(3 * 5, -7);
    release.attend(Q, Tensor(columns, 3, 3).transposed());
    release.attend(Q, Tensor<float>(padded.data(), {3, 3}, {5 * sizeof(float), sizeof(float)}));
    for (std::size_t i = 0; i < 3; i++) {
        for (std::size_t c = 0; c < 3; c++) {
            CHECK(columns[c * 3 + i] == plain[i * 3 + c]);
            CHECK(padded[i * 5 + c] == plain[i * 3 + c]);
        }
        CHECK(padded[i * 5 + 3] == -7 && padded[i * 5 + 4] == -7);
    }
}

TEST(dtypes_in_give_the_same_bits)
{
    const Memory memory(64);
    const Builder plain = filled(memory);
    const std::vector<double> keys64(memory.keys.begin(), memory.keys.end());
    const auto keys_half = convert(memory.keys, to_f16), values_half = convert(memory.values, to_f16);
    const auto keys_brain = convert(memory.keys, to_bf16);
    Builder mixed(memory.params()), half(memory.params());
    mixed.add(Tensor(keys64, 64, 4), Tensor(values_half, 64, 3));
    half.add(Tensor(keys_brain, 64, 4).slice(0, 30), memory.V().slice(0, 30));
    half.add(Tensor(keys_half, 64, 4).slice(30, 34), memory.V().slice(30, 34));
    CHECK(same(plain, mixed));
    CHECK(same(plain, half));
}

TEST(dtypes_out_are_the_same_numbers)
{
    const Memory memory(200);
    Builder builder = filled(memory);
    const Release release = builder.release(plenty);
    const std::vector<double> exact = release.attend<double>(Q);
    const auto half_queries = convert(queries, to_f16);
    std::vector<dpattn::f16> half(9);
    std::vector<dpattn::bf16> brain(9);
    release.attend(Tensor(half_queries, 3, 4), Tensor(half, 3, 3));
    release.attend(Q, Tensor(brain, 3, 3));
    for (std::size_t i = 0; i < 9; i++) {
        CHECK_NEAR(static_cast<double>(to_float(half[i])), exact[i], 1e-6 + std::fabs(exact[i]) / 1024);
        CHECK_NEAR(static_cast<double>(to_float(brain[i])), exact[i], 1e-6 + std::fabs(exact[i]) / 128);
    }
}

TEST(heads_go_together_or_one_by_one)
{
    const Memory memory(150, 2);
    const Builder together = filled(memory);
    Builder one_by_one(memory.params());
    for (const std::size_t head : {1U, 0U}) {
        one_by_one.add_head(static_cast<std::uint32_t>(head), Tensor<const float>(&memory.keys[head * 600], 150, 4),
                            Tensor<const float>(&memory.values[head * 450], 150, 3));
    }
    CHECK(same(together, one_by_one));
    CHECK(one_by_one.diagnostics().rows == 300);

    const Release release = one_by_one.release(plenty);
    CHECK(release.info().heads == 2);
    std::vector<float> two_heads(queries.begin(), queries.begin() + 8);
    const std::vector<float> out = release.attend(Tensor(two_heads, 2, 1, 4));
    CHECK(out.size() == 6);
    for (std::size_t head = 0; head < 2; head++) {
        const std::vector<double> expected = memory.attend(&two_heads[4 * head], head);
        std::vector<float> alone(3);
        const Tensor<const float> query(&two_heads[4 * head], 1, 4);
        CHECK(release.attend_head(static_cast<std::uint32_t>(head), query, Tensor(alone, 1, 3)) == 0);
        CHECK(std::equal(alone.begin(), alone.end(), &out[3 * head]));
        CHECK_FAILS(release.try_attend_head(2, query, Tensor(alone, 1, 3)), Status::invalid_argument, "head");
        CHECK_FAILS(release.try_attend_head(4000000000U, query, Tensor(alone, 1, 3)), Status::invalid_argument, "head");
        for (std::size_t c = 0; c < 3; c++) {
            CHECK_NEAR(static_cast<double>(out[3 * head + c]), expected[c], 2e-3);
        }
    }

    Builder refused(memory.params());
    CHECK_THROWS(
        refused.add(Tensor<const float>(memory.keys.data(), 150, 4), Tensor<const float>(memory.values.data(), 150, 3)),
        Status::invalid_argument, "keys");
    CHECK_FAILS(refused.try_add_head(2, Tensor<const float>(memory.keys.data(), 150, 4),
                                     Tensor<const float>(memory.values.data(), 150, 3)),
                Status::invalid_argument, "head");
    CHECK_FAILS(refused.try_add_head(4000000000U, memory.K(), memory.V()), Status::invalid_argument, "head");
    CHECK_THROWS(release.attend(Q), Status::invalid_argument, "queries");
}

TEST(one_head_takes_2d_and_3d)
{
    const Memory memory(30);
    const Builder flat = filled(memory);
    Builder deep(memory.params()), by_number(memory.params());
    deep.add(Tensor(memory.keys, 1, 30, 4), Tensor(memory.values, 1, 30, 3));
    by_number.add_head(0, memory.K(), memory.V());
    CHECK(same(flat, deep));
    CHECK(same(flat, by_number));
    const Release release = deep.release(plenty);
    CHECK(release.attend(Q) == release.attend(Tensor(queries, 1, 3, 4)));
}

TEST(owners_are_limited)
{
    const Memory memory(40);
    dpattn::Params params = memory.params();
    params.owner_rows = 3;
    std::vector<std::uint64_t> owners;
    for (std::size_t j = 0; j < 40; j++) {
        owners.push_back(j < 10 ? 7 : 1000 + j / 3);
    }
    Builder builder(params);
    builder.add(memory.K(), memory.V(), owners);
    const dpattn::Diagnostics seen = builder.diagnostics();
    CHECK(seen.rows == 40 && seen.rows_dropped == 7);

    CHECK_THROWS(builder.add(memory.K(), memory.V()), Status::invalid_argument, "owners");
    owners.pop_back();
    CHECK_THROWS(builder.add(memory.K(), memory.V(), owners), Status::invalid_argument, "owners");
    owners.push_back(1);
    CHECK_FAILS(Builder(memory.params()).try_add(memory.K(), memory.V(), owners), Status::invalid_argument, "owners");
    CHECK(builder.diagnostics().rows == 40);
    CHECK(builder.release({1, 1e-6}).info().owner_rows == 3);

    params.owner_rows = 40;
    params.owner_bound = 2;
    Builder clipping(params);
    owners.pop_back();
    owners.push_back(1000 + 39 / 3);
    clipping.add(memory.K(), memory.V(), owners);
    const dpattn::Diagnostics found = clipping.diagnostics();
    CHECK(found.rows_dropped == 0 && found.owners_clipped >= 1 && found.owners_clipped < found.owners);
    CHECK(clipping.release({1, 1e-6}).info().owner_bound == 2);
}

TEST(bad_rows_count_and_never_fail)
{
    Memory memory(10);
    memory.keys[0] = std::numeric_limits<float>::quiet_NaN();
    memory.values[3] = std::numeric_limits<float>::infinity();
    memory.keys[8] = 100;
    memory.values[9] = 3e38F;
    memory.keys[16] = std::numeric_limits<float>::denorm_min();
    const dpattn::Diagnostics seen = filled(memory).diagnostics();
    CHECK(seen.rows == 10 && seen.rows_zeroed == 2 && seen.keys_clipped == 1 && seen.values_clipped == 1);
}

TEST(bad_queries_are_reported)
{
    const Memory memory(50);
    Builder builder = filled(memory);
    const Release release = builder.release(plenty);
    std::vector<float> odd = queries;
    odd[0] = std::numeric_limits<float>::quiet_NaN();
    odd[4] = 100;
    std::vector<float> out(9), lse(3), stddev(9);
    CHECK(release.attend(Tensor(odd, 3, 4), Tensor(out, 3, 3), Tensor(lse, 3, 1), Tensor(stddev, 3, 3)) == 2);
    CHECK(std::isnan(out[0]) && std::isnan(out[2]) && std::isnan(lse[0]) && std::isnan(stddev[1]));
    CHECK(std::isfinite(out[3]) && std::isfinite(out[6]) && std::isfinite(lse[1]));
}

TEST(center_and_weights_go_through)
{
    const Memory memory(300, 2);
    dpattn::Params params = memory.params();
    params.center = {0.25, 0, 0, 0, 0, 0.25, 0, -0.125};
    params.key_bound = 1.5;
    params.head_weights = {1, 3};
    params.rotation = dpattn::Rotation::none;
    Builder builder = filled(memory, params);
    const Release release = builder.release(plenty);
    std::vector<float> two(queries.begin(), queries.begin() + 8), out(6), lse(2);
    release.attend(Tensor(two, 2, 1, 4), Tensor(out, 2, 1, 3), Tensor(lse, 2, 1, 1));
    // Centring changes the polynomial's argument: the same up to its error.
    for (std::size_t head = 0; head < 2; head++) {
        double expected_lse;
        const std::vector<double> expected = memory.attend(&two[4 * head], head, &expected_lse);
        CHECK_NEAR(static_cast<double>(lse[head]), expected_lse, 0.05);
        for (std::size_t c = 0; c < 3; c++) {
            CHECK_NEAR(static_cast<double>(out[3 * head + c]), expected[c], 0.05);
        }
    }
    params.center.pop_back();
    CHECK_THROWS(Builder(params), Status::invalid_argument, "center has 7 elements; it must have 8");
    params.center.clear();
    params.head_weights = {1, 2, 3};
    CHECK_FAILS(Builder::try_create(params), Status::invalid_argument, "head_weights");
}

TEST(merged_builders_are_one)
{
    const Memory memory(90);
    const Builder whole = filled(memory);
    Builder a(memory.params()), b(memory.params());
    a.add(memory.K().slice(0, 50), memory.V().slice(0, 50));
    b.add(memory.K().slice(50, 40), memory.V().slice(50, 40));

    Builder c = Builder::import_secret(b.export_secret()); // another process would do this
    CHECK(c.info().key_dim == 4 && c.info().degree == 3 && c.info().epsilon == 0);
    a.merge(std::move(c));
    CHECK(same(whole, a));
    CHECK_FAILS(c.try_diagnostics(), Status::consumed, ""); // NOLINT: a consumed builder is what is tested

    dpattn::Params others = memory.params();
    others.degree = 2;
    Builder other(others);
    CHECK_THROWS(a.merge(std::move(other)), Status::mismatch, "");
    CHECK(other.diagnostics().rows == 0); // NOLINT: unchanged by the failure
    CHECK_FAILS(a.try_merge(std::move(a)), Status::invalid_argument, ""); // NOLINT
    CHECK(same(whole, a));                                                // NOLINT
}

TEST(a_partial_is_merged_once)
{
    const Memory memory(20);
    Builder shard = filled(memory), total(memory.params());
    const dpattn::SecretBytes sent = shard.export_secret(), again = shard.export_secret();
    CHECK(sent.size() == again.size() && std::memcmp(sent.data(), again.data(), sent.size()) == 0);
    total.merge(Builder::import_secret(sent));
    CHECK_THROWS(total.merge(Builder::import_secret(sent)), Status::invalid_argument,
                 "from: it holds rows of a partial that into has already");
    CHECK_FAILS(total.try_merge(std::move(shard)), Status::invalid_argument, "from");
    CHECK(total.diagnostics().rows == 20 && shard.diagnostics().rows == 20); // NOLINT: unchanged by the failure
    total.merge(Builder::import_secret(filled(memory).export_secret()));     // equal rows of another builder
    CHECK(total.diagnostics().rows == 40);
}

TEST(partial_answers_merge)
{
    const Memory memory(120);
    Builder all = filled(memory), left(memory.params()), right(memory.params());
    left.add(memory.K().slice(0, 30), memory.V().slice(0, 30));
    right.add(memory.K().slice(30, 90), memory.V().slice(30, 90));
    std::vector<double> out(9), a(9), b(9), lse(3), la(3), lb(3), merged(9), merged_lse(3);
    all.release(plenty).attend(Q, Tensor(out, 3, 3), Tensor(lse, 3, 1));
    left.release(plenty).attend(Q, Tensor(a, 3, 3), Tensor(la, 3, 1));
    right.release(plenty).attend(Q, Tensor(b, 3, 3), Tensor(lb, 3, 1));
    dpattn::merge(Tensor(a, 3, 3), Tensor(la, 3, 1), Tensor(b, 3, 3), Tensor(lb, 3, 1), Tensor(merged, 3, 3),
                  Tensor(merged_lse, 3, 1));
    for (std::size_t i = 0; i < 9; i++) {
        const double wa = std::exp(la[i / 3]), wb = std::exp(lb[i / 3]);
        CHECK_NEAR(merged[i], (wa * a[i] + wb * b[i]) / (wa + wb), 1e-12);
        CHECK_NEAR(merged_lse[i / 3], std::log(wa + wb), 1e-12);
        CHECK_NEAR(merged[i], out[i], 5e-3);
        CHECK_NEAR(merged_lse[i / 3], lse[i / 3], 5e-3);
    }

    // In place, without lse.
    dpattn::merge(Tensor(a, 3, 3), Tensor(la, 3, 1), Tensor(b, 3, 3), Tensor(lb, 3, 1), Tensor(a, 3, 3));
    CHECK(a == merged);
    const std::vector<double> empty(3, -std::numeric_limits<double>::infinity());
    dpattn::merge(Tensor(b, 3, 3), Tensor(empty, 3, 1), Tensor(merged, 3, 3), Tensor(lse, 3, 1), Tensor(a, 3, 3));
    CHECK(a == merged);

    CHECK_FAILS(
        dpattn::try_merge(Tensor(a, 3, 3), Tensor(la, 1, 3), Tensor(b, 3, 3), Tensor(lb, 3, 1), Tensor(a, 3, 3)),
        Status::invalid_argument, "lse_a");
    CHECK_THROWS(dpattn::merge(Tensor(a, 3, 3), Tensor(la, 3, 1), Tensor(b, 9, 3), Tensor(lb, 3, 1), Tensor(a, 3, 3)),
                 Status::invalid_argument, "out_b: the shape needs 27 elements; the memory has 9");
    CHECK_FAILS(dpattn::try_merge(Tensor(a, 3, 3), Tensor(la, 3, 1), Tensor(b, 3, 3), Tensor(lb, 3, 1), {}),
                Status::invalid_argument, "out");
}

TEST(a_release_serves_many_threads)
{
    const Memory memory(100);
    Builder builder = filled(memory);
    const Release release = builder.release(plenty);
    const std::vector<float> expected = release.attend(Q);
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < wrong.size(); t++) {
        threads.emplace_back([&, t] {
            const Release mine = release.share();
            for (int i = 0; i < 200; i++) {
                wrong[t] += mine.attend(Q) == expected ? 0 : 1;
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    CHECK(wrong == std::vector<int>(4, 0));
}

TEST(the_plan_says_what_the_release_does)
{
    const Memory memory(500);
    dpattn::Params params = memory.params();
    const dpattn::PlanResult plan = dpattn::plan(params, 500, {1, 1e-6}, 0.05);
    CHECK(plan.degree == 3 && plan.features == 35 && plan.state_bytes == 35 * 4 * 8 && plan.rows_for_error > 0 &&
          plan.logit_bound == 1);
    Builder builder = filled(memory);
    const Release release = builder.release({1, 1e-6});
    CHECK_NEAR(release.info().mu, plan.mu, 1e-6 * plan.mu);
    CHECK(release.info().features == plan.features && release.info().save_bytes == plan.release_bytes);
    CHECK(release.to_bytes().size() == plan.release_bytes);

    params.degree = 0;
    CHECK(dpattn::plan(params, 500, {1, 1e-6}).degree >= 1);
    CHECK_FAILS(dpattn::try_plan(params, 500, {0, 1e-6}), Status::invalid_argument, "epsilon");
    CHECK_THROWS(dpattn::plan(params, 0, {1, 1e-6}), Status::invalid_argument, "rows");
}
