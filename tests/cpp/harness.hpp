// A small test harness: TEST(name) { CHECK(...); }, and main.cpp runs them all and prints
// `N passed, N failed`.
#ifndef DPATTN_TESTS_CPP_HARNESS_HPP
#define DPATTN_TESTS_CPP_HARNESS_HPP

#include "dpattn.hpp"

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace harness {

struct Test {
    const char *name;
    void (*run)();
};

std::vector<Test> &tests();
bool add(const char *name, void (*run)());
void fail(const char *file, int line, const std::string &what);

/// Runs `call` and says which status it threw; ok if it threw nothing.
template <class F>
dpattn::Status thrown(F call)
{
    try {
        call();
    } catch (const dpattn::Error &error) {
        return error.status();
    }
    return dpattn::Status::ok;
}

inline bool has(const std::string &text, const char *part) { return text.find(part) != std::string::npos; }

} // namespace harness

#define TEST(name)                                                    \
    static void name();                                               \
    static const bool name##_is_there = harness::add(#name, &name);   \
    static void name()

#define CHECK(condition)                                      \
    do {                                                      \
        if (!(condition)) {                                   \
            harness::fail(__FILE__, __LINE__, #condition);    \
        }                                                     \
    } while (false)

/// |a - b| <= tolerance; NaN fails.
#define CHECK_NEAR(a, b, tolerance)                                                                                    \
    do {                                                                                                               \
        const double check_a = (a), check_b = (b), check_tolerance = (tolerance);                                      \
        if (!(std::fabs(check_a - check_b) <= check_tolerance)) {                                                      \
            harness::fail(__FILE__, __LINE__,                                                                          \
                          std::string(#a " = ") + std::to_string(check_a) + ", " #b " = " + std::to_string(check_b) +  \
                              ", further apart than " + std::to_string(check_tolerance));                              \
        }                                                                                                              \
    } while (false)

/// The throwing form throws `code`, with a message that holds `part`.
#define CHECK_THROWS(expression, code, part)                                                                           \
    do {                                                                                                               \
        try {                                                                                                          \
            static_cast<void>(expression);                                                                             \
            harness::fail(__FILE__, __LINE__, #expression " did not throw");                                           \
        } catch (const dpattn::Error &check_error) {                                                                   \
            if (check_error.status() != (code) || !harness::has(check_error.what(), part)) {                           \
                harness::fail(__FILE__, __LINE__, std::string(#expression " threw ") + check_error.what());            \
            }                                                                                                          \
        }                                                                                                              \
    } while (false)

/// The non-throwing form gives `code`, with a message that holds `part`.
#define CHECK_FAILS(expression, code, part)                                                                            \
    do {                                                                                                               \
        const auto check_result = (expression);                                                                        \
        if (check_result.ok() || check_result.status() != (code) || !harness::has(check_result.message(), part)) {     \
            harness::fail(__FILE__, __LINE__,                                                                          \
                          std::string(#expression " gave ") + dpattn::to_string(check_result.status()) + ": " +        \
                              check_result.message());                                                                 \
        }                                                                                                              \
    } while (false)

#endif
