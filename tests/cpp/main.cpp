#include "harness.hpp"

#include <cstring>
#include <exception>

namespace harness {

namespace {
int failures_of_this_test = 0;
}

std::vector<Test> &tests()
{
    static std::vector<Test> all;
    return all;
}

bool add(const char *name, void (*run)())
{
    tests().push_back({name, run});
    return true;
}

void fail(const char *file, int line, const std::string &what)
{
    failures_of_this_test++;
    std::printf("    %s:%d: %s\n", file, line, what.c_str());
}

} // namespace harness

// Arguments: parts of the names of the tests to run; none: all.
int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    for (const harness::Test &test : harness::tests()) {
        bool wanted = argc == 1;
        for (int i = 1; i < argc; i++) {
            wanted = wanted || std::strstr(test.name, argv[i]) != nullptr;
        }
        if (!wanted) {
            continue;
        }
        harness::failures_of_this_test = 0;
        try {
            test.run();
        } catch (const std::exception &error) {
            harness::fail(test.name, 0, std::string("threw ") + error.what());
        } catch (...) {
            harness::fail(test.name, 0, "threw something");
        }
        const bool good = harness::failures_of_this_test == 0;
        (good ? passed : failed)++;
        std::printf("%s %s\n", good ? "ok  " : "FAIL", test.name);
        std::fflush(stdout);
    }
    std::printf("C++ %ld, libdpattn %s\n", static_cast<long>(__cplusplus),
                std::string(dpattn::version_string()).c_str());
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
