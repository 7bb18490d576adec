// A program in C++17 or C++20 that uses the installed header: with hardly any noise its answers are
// those of exact attention.
#include <dpattn.hpp>

#include <cmath>
#include <cstdio>

int main()
try {
    const std::size_t rows = 400, dim = 3;
    const std::vector<double> query = {0.6, -0.48, 0.64};
    std::vector<double> keys, values;
    double exact = 0, weights = 0;
    for (std::size_t j = 0; j < rows; j++) { // points of the unit sphere, and a value that depends on where they are
        const double z = 2 * (static_cast<double>(j) + 0.5) / rows - 1, turn = 2.399963 * static_cast<double>(j),
                     flat = std::sqrt(1 - z * z);
        const double x = flat * std::cos(turn), y = flat * std::sin(turn),
                     weight = std::exp(query[0] * x + query[1] * y + query[2] * z);
        keys.insert(keys.end(), {x, y, z});
        values.push_back(x > 0 ? 0.5 + 0.5 * z : -0.5);
        weights += weight, exact += weight * values.back();
    }
    exact /= weights;

    dpattn::Params params;
    params.key_dim = dim, params.value_dim = 1, params.degree = 6, params.scale = 1;
    params.key_bound = params.query_bound = params.value_bound = 1;
    params.adjacency = dpattn::Adjacency::add_remove;
    dpattn::Builder builder(params);
    builder.add(dpattn::Tensor(keys, rows, dim), dpattn::Tensor(values, rows, 1));
    const dpattn::Release release = builder.release({1e6, 1e-6});

    std::vector<double> out(1);
    release.attend(dpattn::Tensor(query, 1, dim), dpattn::Tensor(out, 1, 1));
    std::printf("dpattn %s, C++ %ld: %.5f, exact %.5f\n", dpattn::version_string().data(),
                static_cast<long>(__cplusplus), out[0], exact);
    return std::fabs(out[0] - exact) > 2e-3;
} catch (const dpattn::Error &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
