"""The secret side: exact sums, owners, hostile rows, cancelling."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import threading
import weakref

import ml_dtypes
import numpy as np
import pytest

import dpattn
from conftest import held, make_params


def filled(params: dpattn.Params, *chunks, **keywords) -> dpattn.Builder:
    builder = dpattn.Builder(params)
    for K, V in chunks:
        builder.add(K, V, **keywords)
    return builder


def secret(params: dpattn.Params, *chunks, **keywords) -> bytes:
    return filled(params, *chunks, **keywords).export_secret()


def sums(params: dpattn.Params, *chunks, **keywords) -> bytes:
    """What the rows come to, without the builder's origin."""
    return held(filled(params, *chunks, **keywords))


@pytest.fixture
def rows(rng) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(500, 5)) / 2, rng.normal(size=(500, 3)) / 2


def test_chunks_order_layout_and_threads_give_the_same_bits(rows, rng) -> None:
    K, V = rows
    whole = sums(make_params(), (K, V))
    for sizes in ([1] * 500, [7] * 72, [499, 1], [0, 250, 0, 250]):
        cuts = np.minimum(np.cumsum([0, *sizes]), 500)
        assert sums(make_params(), *((K[i:j], V[i:j]) for i, j in zip(cuts, cuts[1:]))) == whole
    for _ in range(20):
        order = rng.permutation(500)
        assert sums(make_params(), (K[order], V[order])) == whole
    assert sums(make_params(), (np.asfortranarray(K), V[::-1][::-1])) == whole
    assert sums(make_params(), (K[None], V[None])) == whole
    try:
        for threads in (1, 2, 3, 8):
            dpattn.set_threads(threads)
            assert sums(make_params(), (K, V)) == whole
    finally:
        dpattn.set_threads(0)
    assert sums(make_params(), (K, V), (K[:1], V[:1])) != whole


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_narrow_types_are_read_exactly(rows, dtype) -> None:
    K, V = rows[0].astype(dtype), rows[1].astype(dtype)
    assert sums(make_params(), (K, V)) == sums(make_params(), (K.astype(float), V.astype(float)))


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("owner_rows", [0, 3])
def test_merge_of_partials_gives_the_same_bits(rows, count, owner_rows) -> None:
    K, V = rows
    params = make_params(owner_rows=owner_rows)
    owners = np.arange(500) % 90 if owner_rows else None

    def pick(i):
        return None if owners is None else owners[i::count]

    whole = sums(params, (K, V), owners=owners)
    with dpattn.Builder(params) as total:
        for i in range(count):
            with dpattn.Builder(params) as partial:
                partial.add(K[i::count], V[i::count], owners=pick(i))
                sent = partial.export_secret()
            arrived = dpattn.Builder.import_secret(sent)
            total.merge(arrived)
            with pytest.raises(dpattn.ConsumedError):
                arrived.diagnostics()
        assert held(total) == whole
        assert total.diagnostics().rows == 500


def test_import_knows_its_shapes(rows) -> None:
    K, V = rows
    for data in (secret(make_params(heads=2)), bytearray(secret(make_params(heads=2)))):
        builder = dpattn.Builder.import_secret(data)
        builder.add(K, V, head=1)
        with pytest.raises(dpattn.InvalidArgumentError, match="head is missing"):
            builder.add(K, V)
        with pytest.raises(dpattn.InvalidArgumentError, match=r"K has shape .* key_dim = 5"):
            builder.add(V, V, head=0)


def test_import_refuses_every_cut_and_alteration(rows) -> None:
    data = secret(make_params(key_dim=2, value_dim=1, degree=1), (rows[0][:, :2], rows[1][:, :1]))
    for size in range(len(data)):
        with pytest.raises(dpattn.CorruptError):
            dpattn.Builder.import_secret(data[:size])
    for i in range(len(data)):
        altered = bytearray(data)
        altered[i] ^= 1 << i % 8
        with pytest.raises(dpattn.CorruptError):
            dpattn.Builder.import_secret(altered)
    with pytest.raises(dpattn.CorruptError, match=r"SECRET|secret"):
        dpattn.Release.from_bytes(data)


def test_merge_refuses(rows) -> None:
    builder = dpattn.Builder(make_params())
    with pytest.raises(dpattn.InvalidArgumentError):
        builder.merge(builder)
    with pytest.raises(dpattn.MismatchError):
        builder.merge(dpattn.Builder(make_params(key_bound=2.0)))
    with pytest.raises(dpattn.InvalidArgumentError, match="other is a bytes"):
        builder.merge(builder.export_secret())


@pytest.mark.parametrize("changes", [{}, {"owner_rows": 3}, {"owner_rows": 9, "owner_bound": 1.5}])
def test_a_partial_merged_twice_is_refused(rows, changes) -> None:
    K, V = rows
    params, owners = make_params(**changes), np.arange(10) if changes else None
    again = dpattn.Builder.import_secret
    shard, other = (filled(params, (K[i:][:10], V[i:][:10]), owners=owners) for i in (0, 10))
    sent = shard.export_secret()
    assert shard.export_secret() == sent
    whole = again(other.export_secret())
    whole.merge(again(sent))
    shard.add(K[20:21], V[20:21], owners=None if owners is None else owners[:1])
    later = shard.export_secret()
    assert later != sent
    for into, source in (
        (again(sent), again(sent)),  # one file twice
        (whole, again(sent)),  # and once more, a retry
        (shard, again(sent)),  # a builder and its export
        (again(sent), shard),
        (again(sent), again(later)),  # an earlier and a later export
        (again(sent), again(whole.export_secret())),  # a part and the whole
    ):
        before = into.export_secret(), source.export_secret()
        with pytest.raises(dpattn.InvalidArgumentError, match="from: it holds rows of a partial that into has already"):
            into.merge(source)
        assert (into.export_secret(), source.export_secret()) == before
    assert whole.diagnostics().rows == 20
    # Rows of another builder are other rows, even if they are equal; and an empty partial may be
    # merged at will.
    whole.merge(again(secret(params, (K[:10], V[:10]), owners=owners)))
    empty = secret(params)
    for template in (again(empty), again(empty)):
        template.add(K[:1], V[:1], owners=None if owners is None else owners[:1])
        whole.merge(template)
    whole.merge(again(empty))
    assert whole.diagnostics().rows == 32


def test_import_finds_the_shape_behind_any_number_of_origins(rows) -> None:
    K, V = rows
    whole = dpattn.Builder(make_params())
    for i in range(5):
        whole.merge(dpattn.Builder.import_secret(secret(make_params(), (K[i::5], V[i::5]))))
        arrived = dpattn.Builder.import_secret(whole.export_secret())
        assert repr(arrived) == repr(whole)
        arrived.add(K, V)


def test_owners(rows) -> None:
    K, V = rows
    owners = np.repeat(np.arange(5), 100)
    with dpattn.Builder(make_params(owner_rows=10)) as builder:
        builder.add(K, V, owners=owners)
        seen = builder.diagnostics()
        assert (seen.rows, seen.rows_dropped, seen.owners) == (500, 450, 5)
    whole = sums(make_params(owner_rows=10), (K, V), owners=owners)
    for kind in (np.int32, np.uint8, np.uint64, list):
        ids = owners.tolist() if kind is list else owners.astype(kind)
        assert sums(make_params(owner_rows=10), (K, V), owners=ids) == whole
    order = np.random.default_rng(1).permutation(500)
    assert sums(make_params(owner_rows=10), (K[order], V[order]), owners=owners[order]) == whole
    with dpattn.Builder(make_params(owner_rows=500)) as builder:
        builder.add(K, V, owners=owners - 2)  # negative ids are ids like others
        assert builder.diagnostics().owners == 5


def test_owners_of_bounded_norm(rows) -> None:
    """All rows of an owner are kept, and their sum is clipped in the direction that it has."""
    K, V = rows
    owners = np.repeat(np.arange(5), 100)
    owners[:2] = 77  # two rows alone, within the bound of two
    params = make_params(owner_rows=100, owner_bound=2.0)
    with dpattn.Builder(params) as builder:
        builder.add(K, V, owners=owners)
        seen = builder.diagnostics()
        assert (seen.rows, seen.rows_dropped, seen.owners, seen.owners_clipped) == (500, 0, 6, 5)
        clipped = builder.release(epsilon=1e6, delta=1e-6)
    order = np.random.default_rng(1).permutation(500)
    with dpattn.Builder(params) as builder:
        builder.add(K[order[:200]], V[order[:200]], owners=owners[order[:200]])
        with dpattn.Builder(params) as rest:
            rest.add(K[order[200:]], V[order[200:]], owners=owners[order[200:]])
            builder.merge(dpattn.Builder.import_secret(rest.export_secret()))
        shuffled = builder.release(epsilon=1e6, delta=1e-6)
    noise = clipped.certificate()["noise"]["terms"][0]["sigma"]
    assert np.abs(clipped.state() - shuffled.state()).max() < 12 * noise
    assert clipped.info.owner_bound == 2.0
    assert "within the norm of 2" in repr(clipped)
    one = owners == 3
    with dpattn.Builder(params) as builder:
        builder.add(K[one], V[one], owners=owners[one])
        alone = builder.release(epsilon=1e6, delta=1e-6)
    with dpattn.Builder(make_params()) as builder:
        builder.add(K[one], V[one])
        whole = builder.release(epsilon=1e6, delta=1e-6)
    # The clipped sum has the norm of two aligned rows, but for noise (of its square, 0.14 % is one
    # standard deviation), and the direction of the whole sum.
    state, free = alone.state().ravel().astype(float), whole.state().ravel().astype(float)
    bound = int(alone.certificate()["sensitivity"]["squared"])
    assert state @ state == pytest.approx(bound, rel=0.02)
    assert state @ free / np.sqrt((state @ state) * (free @ free)) > 1 - 1e-3


def test_hostile_rows_count_as_zero_and_raise_nothing(rng) -> None:
    n = 10_000
    hostile = np.array([np.nan, np.inf, -np.inf])
    K, V = rng.normal(size=(n, 5)) / 5, rng.normal(size=(n, 3)) / 5
    K[np.arange(n), rng.integers(5, size=n)] = hostile[rng.integers(3, size=n)]
    with dpattn.Builder(make_params()) as builder:
        empty = builder.export_secret()
        builder.add(K, V)
        seen = builder.diagnostics()
        assert (seen.rows, seen.rows_zeroed) == (n, n)
        sums = np.frombuffer(builder.export_secret()[-32 - len(state_of(empty)) : -32], np.uint8)
        assert not sums.any()


def state_of(partial: bytes) -> bytes:
    """The sums of a secret partial of one head: 21 features, 4 columns, int64 (docs/formats.md)."""
    return partial[-32 - 21 * 4 * 8 : -32]


def test_extreme_rows_are_clipped_or_vanish(rng) -> None:
    n = 10_000
    K, V = np.zeros((n, 5)), np.zeros((n, 3))
    K[:, 0] = rng.choice([5e-324, -5e-324, 1e-308, 1e308, -1e308], size=n)
    V[:, 0] = rng.choice([5e-324, 1e308, 1.7976931348623157e308], size=n)
    with dpattn.Builder(make_params()) as builder:
        builder.add(K, V)
        seen = builder.diagnostics()
    assert seen.rows == n
    assert seen.rows_zeroed == 0
    assert seen.keys_clipped == (np.abs(K[:, 0]) > 1).sum()
    assert seen.values_clipped == (V[:, 0] > 1).sum()


def test_release_consumes(rows) -> None:
    builder = dpattn.Builder(make_params())
    builder.add(*rows)
    for wrong in ({"epsilon": 0, "delta": 1e-6}, {"epsilon": 1, "delta": 1}):
        with pytest.raises(dpattn.InvalidArgumentError):
            builder.release(**wrong)
    assert builder.diagnostics().rows == 500  # the failures spent nothing
    builder.release(epsilon=1, delta=1e-6)
    for call in (
        lambda: builder.add(*rows),
        lambda: builder.release(epsilon=1, delta=1e-6),
        builder.export_secret,
        builder.diagnostics,
        lambda: dpattn.Builder(make_params()).merge(builder),
    ):
        with pytest.raises(dpattn.ConsumedError):
            call()


def test_close(rows) -> None:
    builder = dpattn.Builder(make_params())
    builder.close()
    builder.close()
    assert "closed" in repr(builder)
    with pytest.raises(dpattn.InvalidHandleError, match="closed"):
        builder.add(*rows)
    with dpattn.Builder(make_params()) as builder:
        pass
    with pytest.raises(dpattn.InvalidHandleError, match="closed"):
        builder.diagnostics()


def test_the_collector_frees(monkeypatch) -> None:
    freed = []
    monkeypatch.setattr("dpattn._c.handle.free", lambda name, handle: freed.append(name))
    builder = dpattn.Builder(make_params())
    alive = weakref.ref(builder)
    del builder
    gc.collect()
    assert alive() is None
    assert freed == ["dpattn_builder_free"]


def test_repr_says_secret_and_no_counts(rows) -> None:
    builder = dpattn.Builder(make_params())
    before = repr(builder)
    builder.add(*rows)
    assert repr(builder) == before
    assert "SECRET" in before


def test_pickling_and_copying_are_refused() -> None:
    builder = dpattn.Builder(make_params())
    for call in (lambda: pickle.dumps(builder), lambda: copy.copy(builder), lambda: copy.deepcopy(builder)):
        with pytest.raises(TypeError, match="export_secret"):
            call()


# ---- Progress and cancelling -------------------------------------------------------------------

# Zero strides: many rows in no memory, far more than are added before a test cancels.
MANY = np.broadcast_to(np.full(64, 0.1, np.float32), (100_000_000, 64))


@pytest.fixture
def started() -> tuple[dpattn.Builder, bytes]:
    builder = dpattn.Builder(make_params(key_dim=64, value_dim=64))
    builder.add(MANY[:100], MANY[:100])
    return builder, builder.export_secret()


def test_progress_is_reported_in_this_thread(rows) -> None:
    seen, threads = [], set()

    def report(done: int, total: int) -> None:
        seen.append((done, total))
        threads.add(threading.current_thread())

    builder = dpattn.Builder(make_params())
    builder.add(*rows, progress=report)
    assert seen[-1] == (500, 500)
    assert seen == sorted(seen)
    seen.clear()
    builder.release(epsilon=1, delta=1e-6, progress=report)
    assert seen[-1][0] == seen[-1][1]
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, dpattn.CancelledError])
def test_an_exception_in_progress_cancels(started, kind) -> None:
    builder, before = started

    def report(done: int, total: int) -> None:
        raise kind("enough")

    with pytest.raises(kind, match="enough"):
        builder.add(MANY, MANY, progress=report)
    assert builder.export_secret() == before
    assert builder.diagnostics().rows == 100


def test_an_exception_in_the_last_report_cancels_too(rows) -> None:
    def report(done: int, total: int) -> None:
        if done == total:
            raise ValueError("at last")

    with dpattn.Builder(make_params()) as builder:
        builder.add(*rows)
        before = builder.export_secret()
        for call in (
            lambda: builder.add(*rows, progress=report),
            lambda: builder.release(epsilon=1, delta=1e-6, progress=report),
        ):
            with pytest.raises(ValueError, match="at last"):
                call()
            assert builder.export_secret() == before


@pytest.mark.parametrize("progress", [None, lambda done, total: None])
def test_ctrl_c_leaves_the_builder_unchanged(started, progress) -> None:
    builder, before = started
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        builder.add(MANY, MANY, progress=progress)
    timer.join()
    assert builder.export_secret() == before
    builder.add(MANY[:1], MANY[:1])  # and it goes on working
    assert builder.diagnostics().rows == 101


def test_other_signal_handlers_run_during_long_work(started) -> None:
    builder, before = started

    class Timeout(Exception):  # noqa: N818
        pass

    def handler(*_: object) -> None:
        raise Timeout

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Timeout):
            builder.add(MANY, MANY)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert builder.export_secret() == before


def test_a_cancelled_release_spends_nothing() -> None:
    # 16 heads of C(66, 2) * 65 integers: half a second of noise, in slabs.
    params = make_params(key_dim=64, value_dim=64, heads=16)
    builder = dpattn.Builder(params)
    builder.add(np.broadcast_to(MANY[:3], (16, 3, 64)), np.broadcast_to(MANY[:3], (16, 3, 64)))
    before = builder.export_secret()

    def report(done: int, total: int) -> None:
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        builder.release(epsilon=1, delta=1e-6, progress=report)
    assert builder.export_secret() == before
    assert builder.release(epsilon=1, delta=1e-6).info.heads == 16


def test_progress_true_shows_a_bar(rows, capfd) -> None:
    dpattn.Builder(make_params()).add(*rows, progress=True)
    assert "adding rows" in capfd.readouterr().err


def test_the_plain_bar(rows, capfd, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    dpattn.Builder(make_params()).add(*rows, progress=True)
    err = capfd.readouterr().err
    assert "adding rows" in err
    assert "100%" in err
