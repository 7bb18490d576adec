// Errors in both forms, moves, progress, cancelling and ledgers.
#include "harness.hpp"
#include "memory.hpp"

#ifdef HAS_FORK
#include <sys/wait.h>
#endif

using dpattn::Builder;
using dpattn::Release;
using dpattn::Status;
using dpattn::Tensor;

TEST(required_parameters_are_named)
{
    const dpattn::Params good = Memory(1).params();
    const auto refused = [&](void (*spoil)(dpattn::Params &), const char *name) {
        dpattn::Params params = good;
        spoil(params);
        CHECK_FAILS(Builder::try_create(params), Status::invalid_argument, name);
        CHECK_THROWS(Builder(params), Status::invalid_argument, name);
        CHECK_FAILS(dpattn::try_plan(params, 10, {1, 1e-6}), Status::invalid_argument, name);
    };
    refused([](dpattn::Params &p) { p.adjacency = dpattn::Adjacency::unset; }, "adjacency");
    refused([](dpattn::Params &p) { p.key_dim = 0; }, "key_dim");
    refused([](dpattn::Params &p) { p.value_dim = 0; }, "value_dim");
    refused([](dpattn::Params &p) { p.key_bound = 0; }, "key_bound");
    refused([](dpattn::Params &p) { p.value_bound = std::nan(""); }, "value_bound");
    refused([](dpattn::Params &p) { p.query_bound = -1; }, "query_bound");
    refused([](dpattn::Params &p) { p.scale = HUGE_VAL; }, "scale");
    refused([](dpattn::Params &p) { p.degree = 9; }, "degree");
}

TEST(budgets_are_checked_and_nothing_is_spent)
{
    const Memory memory(20);
    Builder builder(memory.params());
    builder.add(memory.K(), memory.V());
    CHECK_THROWS(builder.release({0, 1e-6}), Status::invalid_argument, "epsilon");
    CHECK_THROWS(builder.release({-1, 1e-6}), Status::invalid_argument, "epsilon");
    CHECK_THROWS(builder.release({std::nan(""), 1e-6}), Status::invalid_argument, "epsilon");
    CHECK_FAILS(builder.try_release({1, 0}), Status::invalid_argument, "delta");
    CHECK_FAILS(builder.try_release({1, 1}), Status::invalid_argument, "delta");
    CHECK(builder.diagnostics().rows == 20);
    CHECK(builder.release({1, 1e-6}).info().epsilon == 1);
}

TEST(a_builder_is_released_once)
{
    const Memory memory(20);
    Builder builder(memory.params());
    builder.add(memory.K(), memory.V());
    dpattn::Result<Release> first = builder.try_release({1, 1e-6});
    CHECK(first.ok() && first->info().delta == 1e-6);
    CHECK_FAILS(builder.try_release({1, 1e-6}), Status::consumed, "");
    CHECK_THROWS(builder.add(memory.K(), memory.V()), Status::consumed, "");
    CHECK_THROWS(builder.export_secret(), Status::consumed, "");
    CHECK_THROWS(builder.diagnostics(), Status::consumed, "");
}

TEST(wrong_shapes_are_named_and_outputs_untouched)
{
    const Memory memory(20);
    Builder builder(memory.params());
    CHECK_THROWS(builder.add(Tensor(memory.keys, 20, 3), memory.V()), Status::invalid_argument, "keys");
    CHECK_THROWS(builder.add(memory.K(), Tensor(memory.values, 20, 2)), Status::invalid_argument, "values");
    CHECK_THROWS(builder.add(memory.K(), memory.V().slice(0, 19)), Status::invalid_argument, "values");
    CHECK_FAILS(builder.try_add(Tensor(memory.keys, 21, 4), memory.V()), Status::invalid_argument,
                "keys: the shape needs 84 elements; the memory has 80");
    CHECK_FAILS(builder.try_add(memory.K(), memory.V().slice(10, 11)), Status::invalid_argument,
                "values: the view goes beyond");
    CHECK_FAILS(builder.try_add(Tensor(memory.keys, 1U << 31, std::size_t{1} << 62), memory.V()),
                Status::invalid_argument, "keys");
    CHECK(builder.diagnostics().rows == 0);

    const Release release = small_release();
    std::vector<float> out(4, -7), other(4, -7);
    CHECK_THROWS(release.attend(one_query, Tensor(out, 1, 4)), Status::invalid_argument, "out");
    CHECK_THROWS(release.attend(one_query, Tensor(out, 1, 3), Tensor(other, 1, 3)), Status::invalid_argument, "lse");
    CHECK_FAILS(release.try_attend(one_query, Tensor(out, 1, 3), {}, Tensor(other, 3, 1)), Status::invalid_argument,
                "stddev");
    CHECK_FAILS(release.try_attend(one_query, {}), Status::invalid_argument, "out");
    CHECK_FAILS(release.try_attend(Tensor(one_query_numbers, 2, 4), Tensor(out, 1, 3)), Status::invalid_argument,
                "queries");
    CHECK_FAILS(release.try_attend(Tensor(one_query_numbers, 2, 2)), Status::invalid_argument, "queries");
    CHECK_FAILS(release.try_attend(Tensor(one_query_numbers, 2, 4)), Status::invalid_argument, "queries");
    CHECK(out == std::vector<float>(4, -7) && other == out);
}

TEST(owners_move)
{
    const Memory memory(20);
    Builder a(memory.params());
    a.add(memory.K(), memory.V());
    Builder b(std::move(a));
    CHECK(a.handle() == 0 && b.diagnostics().rows == 20); // NOLINT: moved-from objects are what is tested
    CHECK_FAILS(a.try_diagnostics(), Status::invalid_handle, "");
    a = std::move(b);
    CHECK(b.handle() == 0 && a.diagnostics().rows == 20); // NOLINT
    Builder &self = a;
    a = std::move(self);
    CHECK(a.diagnostics().rows == 20); // NOLINT

    Release r = a.release({1, 1e-6});
    const std::vector<float> answer = r.attend(one_query);
    Release s(std::move(r));
    CHECK(s.attend(one_query) == answer && s.info().key_dim == 4);
    CHECK(r.handle() == 0 && r.info().key_dim == 0); // NOLINT
    CHECK_THROWS(r.attend(one_query), Status::invalid_handle, "");
    CHECK_THROWS(r.to_bytes(), Status::invalid_handle, "");
    CHECK_THROWS(r.share(), Status::invalid_handle, "");
    r = small_release();
    r = std::move(s);
    CHECK(r.attend(one_query) == answer);

    const Release shared = r.share();
    r = small_release(); // frees one of the two handles
    CHECK(shared.attend(one_query) == answer);
}

TEST(handles_go_to_c_and_back)
{
    Release release = small_release();
    const std::vector<float> answer = release.attend(one_query);
    const dpattn_release handle = release.detach();
    CHECK(release.handle() == 0 && handle != 0);
    {
        const Release again(handle);
        CHECK(again.attend(one_query) == answer && again.info().value_dim == 3);
    }
    CHECK_THROWS(Release(handle), Status::invalid_handle, ""); // freed above
    CHECK_FAILS(Release::try_adopt(0), Status::invalid_handle, "");

    Builder builder(Memory(1).params());
    const dpattn_builder secret = builder.detach();
    CHECK_FAILS(Release::try_adopt(secret), Status::invalid_handle, ""); // of the wrong type
    CHECK(Builder::adopt(secret).diagnostics().rows == 0);
    CHECK_FAILS(Builder::adopt(secret).try_diagnostics(), Status::invalid_handle, "");
}

TEST(secrets_are_not_releases)
{
    Builder builder(Memory(1).params());
    const dpattn::SecretBytes secret = builder.export_secret();
    CHECK_FAILS(Release::try_from_bytes(secret), Status::corrupt, "");
    CHECK_FAILS(Builder::try_import_secret(small_release().to_bytes()), Status::corrupt, "");
    CHECK_THROWS(Builder::import_secret(dpattn::span<const std::byte>(secret.data(), secret.size() - 1)),
                 Status::corrupt, "");
}

TEST(certificate_info_and_state_agree)
{
    const Release release = small_release({2, 1e-7});
    const dpattn::Info &info = release.info();
    CHECK(info.heads == 1 && info.key_dim == 4 && info.value_dim == 3 && info.degree == 3 && info.features == 35);
    CHECK(info.epsilon == 2 && info.delta == 1e-7 && info.mu > 0 && info.logit_bound == 1 && info.scale == 1);
    CHECK(static_cast<dpattn::Adjacency>(info.adjacency) == dpattn::Adjacency::add_remove);
    CHECK(static_cast<dpattn::Polynomial>(info.polynomial) == dpattn::Polynomial::taylor);
    CHECK(release.state().size() == 35 * 4 && info.state_bytes == 35 * 4 * 8);
    const std::string json = release.certificate();
    CHECK(json.size() > 2 && json.front() == '{' && json.back() == '}' && harness::has(json, "sigma"));
}

TEST(progress_is_told)
{
    const Memory memory(3000);
    Builder builder(memory.params());
    std::uint64_t calls = 0, last = 0;
    bool in_order = true;
    const dpattn::Progress progress = [&](std::uint64_t done, std::uint64_t total) {
        in_order = in_order && done >= last && done <= total && total > 0;
        last = done;
        calls++;
        return true;
    };
    builder.add(memory.K(), memory.V(), {}, progress);
    CHECK(calls > 0 && in_order);
    calls = last = 0;
    const Release release = builder.release({1, 1e-6}, progress);
    CHECK(calls > 0 && in_order);
}

TEST(an_exception_cancels_and_comes_back)
{
    struct Stop {
        int reason;
    };
    const Memory memory(3000);
    Builder builder(memory.params());
    builder.add(memory.K().slice(0, 10), memory.V().slice(0, 10));
    const dpattn::SecretBytes before = builder.export_secret();
    const dpattn::Progress thrower = [](std::uint64_t, std::uint64_t) -> bool { throw Stop{42}; };

    int reason = 0;
    try {
        builder.add(memory.K(), memory.V(), {}, thrower);
    } catch (const Stop &stop) {
        reason = stop.reason;
    }
    CHECK(reason == 42);

    const dpattn::Result<> refused = builder.try_add(memory.K(), memory.V(), {}, thrower);
    CHECK(refused.status() == Status::cancelled && refused.failure().cause());

    dpattn::Result<Release> release = builder.try_release({1, 1e-6}, thrower);
    CHECK(release.status() == Status::cancelled);
    reason = 0;
    try {
        release.value();
    } catch (const Stop &stop) {
        reason = stop.reason;
    }
    CHECK(reason == 42);

    const dpattn::SecretBytes after = builder.export_secret();
    CHECK(after.size() == before.size() && std::memcmp(after.data(), before.data(), after.size()) == 0);
    CHECK(builder.release({1, 1e-6}).info().key_dim == 4);
}

TEST(cancelling_works_at_every_step)
{
    const Memory memory(3000);
    Builder builder(memory.params());
    std::uint64_t steps = 0;
    builder.add(memory.K(), memory.V(), {}, [&](std::uint64_t, std::uint64_t) { return ++steps != 0; });
    const dpattn::SecretBytes before = builder.export_secret();
    for (std::uint64_t stop = 1; stop <= steps; stop++) {
        std::uint64_t step = 0;
        const dpattn::Progress stopper = [&](std::uint64_t, std::uint64_t) { return ++step != stop; };
        CHECK_FAILS(builder.try_add(memory.K(), memory.V(), {}, stopper), Status::cancelled, "");
    }
    const dpattn::SecretBytes after = builder.export_secret();
    CHECK(after.size() == before.size() && std::memcmp(after.data(), before.data(), after.size()) == 0);
}

TEST(a_flag_cancels)
{
    const Memory memory(3000);
    Builder builder(memory.params());
    std::int32_t flag = 1;
    CHECK_THROWS(builder.add(memory.K(), memory.V(), {}, dpattn::Progress(&flag)), Status::cancelled, "");
    CHECK_FAILS(builder.try_release({1, 1e-6}, dpattn::Progress(&flag)), Status::cancelled, "");
    CHECK(builder.diagnostics().rows == 0);
    flag = 0;
    builder.add(memory.K(), memory.V(), {}, dpattn::Progress(&flag));
    CHECK(builder.diagnostics().rows == 3000);
}

TEST(a_ledger_spends_once)
{
    const Scratch scratch;
    const Memory memory(20);
    const auto filled = [&] {
        Builder builder(memory.params());
        builder.add(memory.K(), memory.V());
        return builder;
    };
    CHECK_FAILS(dpattn::Ledger::try_open(scratch.path), Status::io, "no such file");
    CHECK_FAILS(dpattn::Ledger::try_create(scratch.path, {}), Status::invalid_argument, "epsilon");
    dpattn::Ledger ledger = dpattn::Ledger::create(scratch.path, {2, 1e-5});
    CHECK_THROWS(dpattn::Ledger::create(scratch.path, {2, 1e-5}), Status::io, "exists");
    const Release first = filled().release({1, 1e-6}, ledger, "v1");
    const Release again = filled().release({1, 1e-6}, dpattn::Ledger::open(scratch.path), "v1");
    CHECK(first.to_bytes() == again.to_bytes() && first.to_bytes() == ledger.load("v1").to_bytes());
    Builder builder = filled();
    CHECK_FAILS(builder.try_release({2, 1e-5}, ledger, "v2"), Status::overspent, "mu would be");
    CHECK_FAILS(builder.try_release({0.5, 1e-6}, ledger, "v1"), Status::mismatch, "label");
    CHECK_FAILS(builder.try_release({0.5, 1e-6}, ledger, "v2", [](std::uint64_t, std::uint64_t) { return false; }),
                Status::cancelled, "");
    CHECK_FAILS(ledger.try_load("v2"), Status::invalid_argument, "no release");
    CHECK(builder.release({0.5, 1e-6}, ledger, "").info().epsilon == 0.5);
    const std::string statement = ledger.show();
    CHECK(statement.find("\"label\": \"v1\"") != std::string::npos && statement.back() == '}');
    const dpattn::Ledger moved = std::move(ledger);
    CHECK(moved.show() == statement);
    CHECK_FAILS(ledger.try_show(), Status::invalid_handle, "ledger is 0"); // NOLINT: a moved-from ledger answers so
}

#ifdef HAS_FORK
TEST(a_forked_child_is_told)
{
    const Release release = small_release();
    const pid_t child = fork();
    if (child == 0) {
        std::vector<float> out(3);
        const bool told =
            release.try_attend(one_query, Tensor(out, 1, 3)).status() == Status::forked && dpattn::build_info().empty();
        _exit(told ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif
