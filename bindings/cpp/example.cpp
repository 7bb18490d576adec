// A private memory of 5,000 people, released once under (epsilon, delta) = (1, 1e-6), asked twice.
// Build and run it, after `make build`:
//     c++ -std=c++17 -Iinclude -Ibindings/cpp bindings/cpp/example.cpp -Lbuild -ldpattn
//     LD_LIBRARY_PATH=build ./a.out
#include "dpattn.hpp"

#include <cmath>
#include <cstdio>
#include <random>

int main()
try {
    const std::size_t people = 5000, key_dim = 2, value_dim = 1, asked = 2;

    // Private: where a person stands (a direction, norm 1) and what that person voted (-1 or 1).
    // East votes 1, north votes -1.
    std::mt19937 random(1);
    std::uniform_real_distribution<float> direction(0.0F, 1.5707963F);
    std::vector<float> keys, values;
    for (std::size_t i = 0; i < people; i++) {
        const float angle = direction(random);
        keys.insert(keys.end(), {std::cos(angle), std::sin(angle)});
        values.push_back(angle < 0.8F ? 1.0F : -1.0F);
    }

    dpattn::Params params; // Public: chosen without looking at the data
    params.key_dim = key_dim;
    params.value_dim = value_dim;
    params.key_bound = params.query_bound = params.value_bound = 1.0;
    params.scale = 2.0; // logit = 2 <q, k>
    params.degree = 4;
    params.adjacency = dpattn::Adjacency::add_remove;

    dpattn::Builder builder(params); // Secret
    builder.add(dpattn::Tensor(keys, people, key_dim), dpattn::Tensor(values, people, value_dim));
    const dpattn::Release release = builder.release({1.0, 1e-6}); // Public from here on

    const std::vector<float> queries = {1.0F, 0.0F, 0.0F, 1.0F}; // east, north
    std::vector<float> out(asked), error_bar(asked);
    release.attend(dpattn::Tensor(queries, asked, key_dim), dpattn::Tensor(out, asked, value_dim), {},
                   dpattn::Tensor(error_bar, asked, value_dim));
    std::printf("dpattn %s: east votes %+.3f (noise %.3f), north votes %+.3f (noise %.3f)\n",
                dpattn::version_string().data(), static_cast<double>(out[0]), static_cast<double>(error_bar[0]),
                static_cast<double>(out[1]), static_cast<double>(error_bar[1]));
} catch (const dpattn::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
