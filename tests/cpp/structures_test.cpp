// The paper's mechanism through Builder and Release, and its smaller structures as owners of their
// own.
#include "harness.hpp"

#include <type_traits>
#include <utility>

using dpattn::Distance;
using dpattn::Status;
using dpattn::Tensor;
using dpattn::Tree;

static_assert(std::is_nothrow_move_constructible_v<Tree> && std::is_nothrow_move_assignable_v<Tree>);
static_assert(!std::is_copy_constructible_v<Tree> && !std::is_copy_constructible_v<Distance>);
static_assert(noexcept(std::declval<const Tree &>().try_sum(0, 1)));

static const dpattn::Budget vast = {1e7, 1e-6};

TEST(dptree_through_builder_and_release)
{
    dpattn::Params params;
    params.mechanism = dpattn::Mechanism::dptree;
    params.adjacency = dpattn::Adjacency::replace;
    params.key_dim = 2, params.value_dim = 1, params.degree = 3;
    params.range = params.value_range = 1;
    params.leaves = 512, params.copies = 1;
    const std::vector<double> keys = {0, 0, 1, 1, 1, 0}, values = {1, -1, 0.5}, queries = {1, 0, 0.5, 0.5};
    dpattn::Builder builder(params);
    builder.add(Tensor(keys, 3, 2), Tensor(values, 3, 1));
    const dpattn::Release release = builder.release(vast);
    const std::vector<double> out = release.attend<double>(Tensor(queries, 2, 2));
    for (std::size_t i = 0; i < 2; i++) {
        double sum = 0, exact = 0;
        for (std::size_t j = 0; j < 3; j++) {
            const double w = std::exp((queries[2 * i] * keys[2 * j] + queries[2 * i + 1] * keys[2 * j + 1]) / 2);
            sum += w;
            exact += w * values[j];
        }
        CHECK_NEAR(out[i], exact / sum, 0.02);
    }
    CHECK(release.info().range == 1 && release.info().copies == 1 && release.info().mu == 0);
    CHECK(dpattn::Release::from_bytes(release.to_bytes()).attend<double>(Tensor(queries, 2, 2)) == out);
    params.key_bound = 1;
    CHECK(dpattn::Builder::try_create(params).status() == Status::invalid_argument);
}

TEST(tree_of_range_sums)
{
    dpattn::StructureParams params;
    params.adjacency = dpattn::Adjacency::add_remove;
    params.leaves = 4, params.weight = 2;
    const std::vector<double> values = {1, 2, -1, 9};
    Tree tree(params, vast, values);
    CHECK_NEAR(tree.sum(0, 4).value, 4, 0.01); // 9 is clipped to 2
    CHECK_NEAR(tree.sum(1, 3).value, 1, 0.01);
    CHECK(tree.sum(0, 4).stddev > 0 && tree.sum(2, 2).stddev == 0);
    CHECK(tree.info().leaves == 4 && tree.info().weight == 2);
    CHECK(harness::has(tree.certificate(), "DPTree"));
    CHECK(tree.try_sum(0, 5).status() == Status::invalid_argument);
    CHECK(Tree::from_bytes(tree.to_bytes()).sum(1, 3).value == tree.sum(1, 3).value);
    CHECK(Distance::try_from_bytes(tree.to_bytes()).status() == Status::corrupt);

    Tree moved = std::move(tree);
    CHECK(tree.handle() == 0 && moved.handle() != 0);
    CHECK(tree.try_sum(0, 1).status() == Status::invalid_handle);

    const std::vector<std::int64_t> positions = {3, 3, 0, 0};
    CHECK_NEAR(Tree(params, vast, values, positions).sum(3, 4).value, 3, 0.01);
    CHECK(Tree::try_create(params, vast, values, dpattn::span<const std::int64_t>(positions.data(), 3)).status() ==
          Status::invalid_argument);
    const dpattn::Progress stop([](std::uint64_t, std::uint64_t) { return false; });
    CHECK(Tree::try_create(params, vast, values, {}, {}, stop).status() == Status::cancelled);
    params.adjacency = dpattn::Adjacency::unset;
    CHECK(harness::thrown([&] { Tree(params, vast, values); }) == Status::invalid_argument);
}

TEST(distance_to_points)
{
    dpattn::StructureParams params;
    params.adjacency = dpattn::Adjacency::replace;
    params.leaves = 1 << 12, params.dim = 2, params.range = 1, params.weight = 1, params.squared = true;
    const std::vector<float> points = {0, 0, 1, 0.5F}, weights = {1, 0.5F}, queries = {0.25F, 1};
    Distance distance(params, vast, Tensor(points, 2, 2), dpattn::Input(Tensor(weights, 2, 1)));
    std::vector<double> l1(1), l2(1), again(1);
    distance.query(Tensor(queries, 1, 2), Tensor(l1, 1, 1), Tensor(l2, 1, 1));
    CHECK_NEAR(l1[0], 1.25 + 0.5 * 1.25, 0.02);
    CHECK_NEAR(l2[0], 0.0625 + 1 + 0.5 * (0.5625 + 0.25), 0.02);
    Distance::from_bytes(distance.to_bytes()).query(Tensor(queries, 1, 2), {}, Tensor(again, 1, 1));
    CHECK(again == l2);
    CHECK(distance.info().dim == 2 && distance.info().squared == 1);
    CHECK(distance.try_query(Tensor(queries, 2, 1), Tensor(l1, 1, 1)).status() == Status::invalid_argument);
    params.squared = false;
    const Distance plain(params, vast, Tensor(points, 2, 2));
    CHECK(plain.try_query(Tensor(queries, 1, 2), {}, Tensor(l2, 1, 1)).status() == Status::unsupported);
}
