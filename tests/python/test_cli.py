"""The console script, as a person meets it: files, what is printed, exit codes.

What depends on the process (loading, interrupts, terminals) and the whole way run in fresh ones.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest

import dpattn
from conftest import PACKAGE, make_release
from dpattn.cli import main

BOUNDS = ["--key-bound", "1", "--value-bound", "1", "--query-bound", "1", "--adjacency", "add_remove", "--scale", "1"]
BUDGET = ["--epsilon", "1", "--delta", "1e-6"]
SHAPE = ["--key-dim", "64", "--value-dim", "8", "--rows", "10000"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> None:
    """Work in a folder with K.npy, V.npy and Q.npy."""
    rng = np.random.default_rng(5)
    monkeypatch.chdir(tmp_path)
    np.save("K.npy", rng.normal(size=(300, 5)) / 3)
    np.save("V.npy", rng.normal(size=(300, 3)) / 3)
    np.save("Q.npy", rng.normal(size=(20, 5)).astype(np.float32) / 3)


@pytest.fixture
def script(folder, run_python):
    """Run `dpattn ...` in a process of its own."""
    return lambda *arguments, **env: run_python("-m", "dpattn", *arguments, **env)


@pytest.fixture
def cli(folder, capsys):
    """Run `dpattn ...` in this process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse's
            code = end.code
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    yield run
    dpattn.set_threads(0)


def succeed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bars where nobody looks
    return done.stdout


def fail(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_whole_way(script) -> None:
    text = succeed(script("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", "--certificate", "cert.json"))
    assert "(1, 1e-06)-differential privacy for the presence of one row" in text
    assert "300" not in text  # the number of rows is private
    succeed(script("attend", "c.dpa", "Q.npy", "-o", "out.npy", "--lse", "lse.npy", "--std", "std.npy"))
    release = dpattn.load("c.dpa")
    out, lse, std = release.attend(np.load("Q.npy"), return_lse=True, return_std=True)
    for name, wanted in (("out", out), ("lse", lse), ("std", std)):
        found = np.load(f"{name}.npy")
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    assert json.loads(Path("cert.json").read_text()) == release.certificate()
    assert "add_remove" in succeed(script("inspect", "c.dpa"))
    assert succeed(script("verify", "c.dpa", "--certificate", "cert.json")).startswith("OK: (1, 1e-06)")
    assert sorted(os.listdir()) == ["K.npy", "Q.npy", "V.npy", "c.dpa", "cert.json", "lse.npy", "out.npy", "std.npy"]


def test_json(cli) -> None:
    made = json.loads(succeed(cli("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", "--json")))
    assert (made["output"], made["epsilon"], made["key_dim"]) == ("c.dpa", 1.0, 5)
    shown = json.loads(succeed(cli("inspect", "c.dpa", "--json")))
    assert shown["info"]["id"] == shown["certificate"]["id"] == made["id"]
    answered = json.loads(succeed(cli("attend", "c.dpa", "Q.npy", "-o", "out.npy", "--json")))
    assert answered["queries"] == 20
    assert answered["clipped"] == int((np.linalg.norm(np.load("Q.npy").astype(float), axis=1) > 1).sum())
    verified = json.loads(succeed(cli("verify", "c.dpa", "--json")))
    assert verified["ok"] is True
    assert verified["problems"] == []
    planned = json.loads(
        succeed(cli("plan", *BOUNDS, *BUDGET, "--key-dim", "5", "--value-dim", "3", "--rows", "300", "--json"))
    )
    assert planned["mu"] == pytest.approx(verified["mu"] and float(verified["mu"]), rel=1e-6)


def test_plan_says_what_to_release_with(cli) -> None:
    text = succeed(cli("plan", *BOUNDS, *BUDGET, *SHAPE))
    assert text.endswith("\nrelease with: --degree 4\n")
    assert "rows_for_error" not in text
    text = succeed(cli("plan", *BOUNDS, *BUDGET, *SHAPE, "--degree", "2", "--target-error", "0.01"))
    assert "rows_for_error" in text
    assert "release with" not in text


def test_a_repeated_label_says_that_nothing_was_spent(cli) -> None:
    succeed(cli("ledger", "create", "x.ledger", "--epsilon", "2", "--delta", "1e-5"))
    arguments = ["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--ledger", "x.ledger", "--label", "first"]
    text = succeed(cli(*arguments, "-o", "a.dpa"))
    assert "already" not in text
    assert "value_range" not in text  # nor anything else of the other mechanism
    again = succeed(cli(*arguments, "-o", "b.dpa"))
    assert again == f"first was already in the ledger; nothing was spent\n\n{text}"
    assert Path("a.dpa").read_bytes() == Path("b.dpa").read_bytes()
    assert json.loads(succeed(cli(*arguments, "-o", "c.dpa", "--json")))["from_ledger"] is True


def test_heads_owners_and_every_option(cli) -> None:
    rng = np.random.default_rng(6)
    np.save("K3.npy", rng.normal(size=(2, 300, 5)).astype(np.float32) / 3)
    np.save("V3.npy", np.asfortranarray(rng.normal(size=(2, 300, 3)).astype(np.float16)))
    np.save("owners.npy", np.arange(300) // 7)
    np.save("center.npy", np.full(5, 0.1))
    options = (
        "--key-bound 1 --value-bound 1 --query-bound 1 --adjacency replace --degree 3 --polynomial taylor --lambda 0.5 "
        "--no-rotate --owners owners.npy --owner-rows 7 --owner-bound 2.5 --center center.npy --head-weights 1,3 "
        "--threads 1 --json"
    )
    made = json.loads(succeed(cli("release", "K3.npy", "V3.npy", *BUDGET, *options.split(), "-o", "c.dpa")))
    wanted = {"heads": 2, "degree": 3, "polynomial": "taylor", "adjacency": "replace", "owner_rows": 7, "rotate": False}
    wanted["owner_bound"] = 2.5
    assert wanted.items() <= made.items()
    np.save("Q3.npy", np.zeros((2, 4, 5)))
    succeed(cli("attend", "c.dpa", "Q3.npy", "-o", "out.npy", "--lse", "lse.npy"))
    assert (np.load("out.npy").shape, np.load("lse.npy").shape) == ((2, 4, 3), (2, 4))
    succeed(cli("verify", "c.dpa"))


CODEBOOK = [
    "--mechanism",
    "codebook",
    "--codebook",
    "M.npy",
    "--key-bound",
    "1",
    "--value-bound",
    "1",
    "--adjacency",
    "add_remove",
    "--scale",
    "8",
]


def test_a_codebook_release(cli) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    np.save("PUBLIC.npy", np.random.default_rng(8).normal(size=(200, 5)) / 3)
    text = succeed(cli("codebook", "PUBLIC.npy", "--cells", "16", "--seed", "5", "--key-bound", "1", "-o", "M.npy"))
    assert text == "16 cells from 200 public rows\n"
    fail(
        cli("codebook", "PUBLIC.npy", "--cells", "201", "-o", "N.npy"), 2, "200 rows; it must have at least cells = 201"
    )
    assert not os.path.exists("N.npy")
    wanted = dpattn.codebook.fit(np.load("PUBLIC.npy"), 16, seed=5, key_bound=1.0)
    np.testing.assert_array_equal(np.load("M.npy"), wanted)
    plan = succeed(cli("plan", *CODEBOOK, *BUDGET, "--key-dim", "5", "--value-dim", "3", "--rows", "300"))
    assert not {"degree", "polynomial_error"} & set(plan.split())
    text = succeed(cli("release", "K.npy", "V.npy", *CODEBOOK, *BUDGET, "-o", "c.dpa", "--certificate", "cert.json"))
    assert not {"degree", "polynomial", "query_bound", "leaves"} & set(text.split())
    assert "cells" in text
    release = dpattn.load("c.dpa")
    assert (release.info.cells, release.info.scale) == (16, 8.0)
    assert succeed(cli("verify", "c.dpa", "--certificate", "cert.json")).startswith("OK: (1, 1e-06)")
    assert "codebook" in succeed(cli("inspect", "c.dpa"))
    np.save("Q.npy", 1e9 * np.load("Q.npy"))
    said = succeed(cli("attend", "c.dpa", "Q.npy", "-o", "out.npy"))
    assert "20 longer than logits are told apart (scaled to it)" in said
    np.testing.assert_array_equal(np.load("out.npy"), release.attend(np.load("Q.npy")))


def test_the_key_value_form(cli) -> None:
    np.save("M.npy", np.eye(5))
    succeed(cli("release", "K.npy", "V.npy", *CODEBOOK, *BUDGET, "-o", "c.dpa"))
    release = dpattn.load("c.dpa")
    said = json.loads(succeed(cli("kv", "c.dpa", "-o", "kv.npz", "--dtype", "float64", "--json")))
    assert (said["cells"], said["scale"], said["id"]) == (5, 8.0, release.info.id)
    with np.load("kv.npz") as held:
        assert sorted(held) == ["bias", "keys", "scale", "values"]
        assert held["scale"] == 8.0
        for name, array in zip(("keys", "values", "bias"), release.kv()):
            np.testing.assert_array_equal(held[name], array)
    fail(cli("kv", "c.dpa", "-o", "kv.npz"), 2, "output kv.npz exists; give --force")
    load = pytest.importorskip("safetensors.numpy", reason="needs safetensors").load_file
    assert "scale = 8.0" in succeed(cli("kv", "c.dpa", "-o", "kv.safetensors", "--dtype", "float16"))
    np.testing.assert_array_equal(load("kv.safetensors")["values"], release.kv(np.float16)[1])


def test_codebook_mistakes(cli) -> None:
    np.save("M.npy", np.eye(5))
    np.save("M4.npy", np.eye(4))
    release = ["release", "K.npy", "V.npy", *BUDGET, "-o", "c.dpa"]
    without = [word for word in CODEBOOK if word not in ("--codebook", "M.npy")]
    fail(cli(*release, *without), 2, "required: --codebook")
    fail(cli(*release, *CODEBOOK, "--query-bound", "1"), 2, "query_bound is 1.0; mechanism 'codebook' does not read it")
    fail(cli(*release, *without, "--codebook", "M4.npy"), 2, "codebook has shape (1, 4, 4); it must be (cells, 5)")
    fail(cli(*release, *BOUNDS, "--codebook", "M.npy"), 2, "mechanism 'gaussian' does not read it")
    fail(cli(*release[:-1], "M.npy", *CODEBOOK, "--force"), 2, "is the same file as M.npy, which this command reads")
    succeed(cli(*release, *BOUNDS))
    fail(cli("kv", "c.dpa", "-o", "kv.npz"), 2, "the mechanism gaussian has no key-value form")
    fail(cli("kv", "c.dpa", "-o", "kv.pt"), 2, "must end with .npz or .safetensors")
    fail(cli("codebook", "M.npy", "--cells", "2", "-o", "M.npy", "--force"), 2, "same file")
    assert not set(os.listdir()) & {"N.npy", "kv.npz", "kv.pt"}


def test_one_query_and_integers(cli) -> None:
    succeed(cli("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", "--quiet"))
    np.save("q.npy", np.array([1, 0, 0, 0, 0]))
    succeed(cli("attend", "c.dpa", "q.npy", "-o", "out.npy", "--lse", "lse.npy"))
    assert (np.load("out.npy").shape, np.load("lse.npy").shape) == ((3,), ())


def test_diagnostics_are_asked_for_and_marked(cli) -> None:
    done = cli("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", "--diagnostics")
    assert done.returncode == 0
    assert "SECRET" in done.stderr
    assert "rows=300" in done.stderr


def test_outputs_are_not_overwritten(cli) -> None:
    arguments = ["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa"]
    Path("c.dpa").write_text("precious")
    fail(cli(*arguments), 2, "output c.dpa exists; give --force")
    assert Path("c.dpa").read_text() == "precious"
    succeed(cli(*arguments, "--force"))
    Path("out.npy").write_text("precious")
    fail(cli("attend", "c.dpa", "Q.npy", "-o", "out.npy"), 2, "output out.npy exists")
    assert Path("out.npy").read_text() == "precious"


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory) -> Path:
    """A folder with two ledgers, and the release of one."""
    folder = tmp_path_factory.mktemp("ledgers")
    with dpattn.Ledger(folder / "x.ledger", epsilon=2.0, delta=1e-5) as ledger:
        make_release(ledger=ledger, label="first").save(folder / "a.dpa")
    dpattn.Ledger(folder / "other.ledger", epsilon=2.0, delta=1e-5).close()
    return folder


RELEASE = ["release", "K.npy", "V.npy", *BOUNDS, *BUDGET]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*RELEASE, "-o", "x.ledger", "--ledger", "x.ledger"], "x.ledger is the same file as x.ledger"),
        ([*RELEASE, "-o", "new.dpa", "--certificate", "x.ledger", "--ledger", "x.ledger"], "same file as x.ledger"),
        ([*RELEASE, "-o", "hard.link", "--ledger", "x.ledger"], "same file as x.ledger"),
        ([*RELEASE, "-o", "soft.link", "--ledger", "x.ledger"], "same file as x.ledger"),
        ([*RELEASE, "-o", "./new.dpa", "--ledger", "new.dpa"], "same file as new.dpa"),
        ([*RELEASE, "-o", "x.ledger"], "x.ledger is a ledger; a ledger is never replaced"),
        ([*RELEASE, "-o", "soft.link", "--ledger", "other.ledger"], "soft.link is a ledger"),
        ([*RELEASE, "-o", "K.npy"], "same file as K.npy"),
        ([*RELEASE, "-o", "new.dpa", "--certificate", "V.npy"], "same file as V.npy"),
        ([*RELEASE, "-o", "owners.npy", "--owners", "owners.npy", "--owner-rows", "2"], "same file as owners.npy"),
        ([*RELEASE, "-o", "center.npy", "--center", "center.npy"], "same file as center.npy"),
        (["ledger", "export", "x.ledger", "first", "-o", "x.ledger"], "same file as x.ledger"),
        (["ledger", "export", "x.ledger", "first", "-o", "other.ledger"], "other.ledger is a ledger"),
        (["attend", "a.dpa", "Q.npy", "-o", "a.dpa"], "same file as a.dpa"),
        (["attend", "a.dpa", "Q.npy", "-o", "Q.npy"], "same file as Q.npy"),
        (["attend", "a.dpa", "Q.npy", "-o", "out.npy", "--lse", "a.dpa"], "same file as a.dpa"),
        (["attend", "a.dpa", "Q.npy", "-o", "out.npy", "--std", "x.ledger"], "x.ledger is a ledger"),
        (["inspect", "a.dpa", "--certificate", "a.dpa"], "same file as a.dpa"),
        (["inspect", "a.dpa", "--certificate", "x.ledger"], "x.ledger is a ledger"),
    ],
)
def test_force_replaces_neither_inputs_nor_ledgers(cli, ledgers, arguments, message) -> None:
    shutil.copytree(ledgers, ".", dirs_exist_ok=True)
    os.link("x.ledger", "hard.link")
    os.symlink("x.ledger", "soft.link")
    np.save("owners.npy", np.arange(300) // 2)
    np.save("center.npy", np.zeros(5))

    def files() -> dict[str, bytes]:
        return {name: Path(name).read_bytes() for name in sorted(os.listdir())}

    before = files()
    fail(cli(*arguments, "--force"), 2, message)
    assert files() == before


def test_save_never_replaces_a_ledger(tmp_path) -> None:
    path = tmp_path / "x.ledger"
    with dpattn.Ledger(path, epsilon=2.0, delta=1e-5) as ledger:
        ledger.show()
    whole = path.read_bytes()
    release = make_release()
    for page in (0, 4096):  # a ledger of which one of the two first pages was torn is still one
        torn = bytearray(whole)
        torn[page : page + 80] = bytes(80)
        for data in (whole, torn):
            path.write_bytes(data)
            with pytest.raises(FileExistsError, match="a ledger is never replaced"):
                release.save(path)
            assert path.read_bytes() == bytes(data)
    path.write_bytes(b"no ledger")
    release.save(path)
    assert dpattn.load(path).info == release.info
    assert os.listdir(tmp_path) == ["x.ledger"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET], "-o"),
        (["release", "K.npy", "V.npy", *BUDGET, "-o", "c.dpa"], "--adjacency"),
        (
            ["release", "K.npy", "V.npy", *BUDGET, "--adjacency", "replace", "-o", "c.dpa"],
            "are required: --key-bound, --value-bound, --query-bound",
        ),
        (
            ["plan", *BUDGET, "--adjacency", "replace", "--key-bound", "1", "--query-bound", "1", *SHAPE],
            "are required: --value-bound",
        ),
        (
            ["plan", *BUDGET, "--adjacency", "replace", "--mechanism", "dptree", "--range", "1", *SHAPE],
            "are required: --value-range",
        ),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--key-bound", "0", "-o", "c.dpa"], "key_bound is 0"),
        (["ledger", "create", "new.ledger"], "give --epsilon and --delta, or --mu"),
        (["ledger", "create", "new.ledger", "--epsilon", "1"], "--delta is required"),
        (["ledger", "create", "new.ledger", "--delta", "1e-6"], "--epsilon is required"),
        (["inspect", "K.npy"], "K.npy: data: "),
        (["attend", "K.npy", "Q.npy", "-o", "out.npy"], "K.npy: data: "),
        (["inspect", "x.ledger"], "x.ledger is a ledger, not a release; use dpattn ledger show"),
        (["attend", "x.ledger", "Q.npy", "-o", "out.npy"], "use dpattn ledger show"),
        (["release", "K.npy", "V.npy", *BOUNDS, "--epsilon", "0", "--delta", "1e-6", "-o", "c.dpa"], "epsilon is 0"),
        (["release", "K.npy", "V.npy", *BOUNDS, "--epsilon", "1", "--delta", "1", "-o", "c.dpa"], "delta is 1"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--key-bound", "nan", "-o", "c.dpa"], "key_bound is nan"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--adjacency", "both", "-o", "c.dpa"], "--adjacency"),
        (["release", "absent.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa"], "absent.npy"),
        (
            ["release", "K.npy", "Q.npy", *BOUNDS, *BUDGET, "-o", "c.dpa"],
            "K has shape (300, 5) and V has shape (20, 5)",
        ),
        (["release", "text.txt", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa"], "text.txt is not a readable .npy file"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "no/c.dpa"], "no such folder"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c", "--certificate", "c"], "same name"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--owners", "Q.npy", "-o", "c.dpa"], "owners has shape"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--owner-rows", "3", "-o", "c.dpa"], "owners"),
        (["release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "--head-weights", "1,x", "-o", "c.dpa"], "--head-weights"),
        (["attend", "text.txt", "Q.npy", "-o", "out.npy"], "it is not a release"),
        (["inspect", "absent.dpa"], "absent.dpa"),
        (["plan", *BOUNDS, *BUDGET, "--key-dim", "0", "--value-dim", "1", "--rows", "1"], "key_dim is 0"),
        ([], "COMMAND"),
        (["fly"], "fly"),
    ],
)
def test_wrong_usage_exits_2(cli, ledgers, arguments, message) -> None:
    Path("text.txt").write_text("text" * 30)
    shutil.copy(ledgers / "x.ledger", ".")
    before = sorted(os.listdir())
    fail(cli(*arguments), 2, message)
    assert sorted(os.listdir()) == before


def test_a_missing_library_exits_3(script) -> None:
    done = script("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", DPATTN_LIBRARY="no/libdpattn.so")
    fail(done, 3, "dpattn: error: the dpattn C library was not found")
    assert "no/libdpattn.so" in done.stderr


def test_verify_needs_no_library_and_exits_1_on_damage(script) -> None:
    succeed(script("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", "--certificate", "cert.json"))
    succeed(script("verify", "c.dpa", "--certificate", "cert.json", DPATTN_LIBRARY="no/libdpattn.so"))
    certificate = json.loads(Path("cert.json").read_text())
    certificate["epsilon"] = 0.5
    Path("other.json").write_text(json.dumps(certificate))
    done = script("verify", "c.dpa", "--certificate", "other.json")
    assert done.returncode == 1
    assert "certificate: epsilon is 0.5; by the file it must be 1.0" in done.stdout
    data = bytearray(Path("c.dpa").read_bytes())
    data[100] ^= 1
    Path("cut.dpa").write_bytes(data)
    done = script("verify", "cut.dpa", "--json")
    assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)


def test_version_and_help(script) -> None:
    assert succeed(script("--version")).startswith(f"dpattn {dpattn.__version__} (library {dpattn.__version__}")
    assert "not loaded" in succeed(script("--version", DPATTN_LIBRARY="no/libdpattn.so"))
    text = succeed(script("--help"))
    for word in ("release", "attend", "inspect", "plan", "verify", "exit codes", "130"):
        assert word in text
    assert "--adjacency" in succeed(script("release", "--help"))


class Terminal:
    """A pseudo-terminal for a process's stderr."""

    def __init__(self) -> None:
        self.mine, self.theirs = os.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.seen = b""

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
        command = [sys.executable, "-m", "dpattn", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.theirs, env=env)
        os.close(self.theirs)
        return process

    def read_until(self, word: bytes | None) -> None:
        try:
            while word is None or word not in self.seen:
                block = os.read(self.mine, 4096)
                if not block:
                    return
                self.seen += block
        except OSError:  # Linux says so when the other side is closed
            pass

    def close(self) -> None:
        self.read_until(None)
        os.close(self.mine)


def test_ctrl_c_exits_130_and_leaves_no_file(folder) -> None:
    for name in ("K.npy", "V.npy"):  # sparse files: far more rows than are added before the interrupt
        np.lib.format.open_memmap(name, "w+", np.float16, (3_000_000, 64))
    before = sorted(os.listdir())
    terminal = Terminal()
    process = terminal.start("release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa")
    terminal.read_until(b"adding rows")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    terminal.close()
    assert (process.returncode, out) == (130, b"")
    assert terminal.seen.endswith(b"dpattn: error: interrupted\r\n")
    assert b"Traceback" not in terminal.seen
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_sees_progress(folder, quiet) -> None:
    terminal = Terminal()
    process = terminal.start(
        "release", "K.npy", "V.npy", *BOUNDS, *BUDGET, "-o", "c.dpa", *(["--quiet"] if quiet else [])
    )
    out, _ = process.communicate(timeout=60)
    terminal.close()
    assert process.returncode == 0
    assert (b"adding rows" in terminal.seen, b"adding noise" in terminal.seen) == (not quiet, not quiet)
    assert (out == b"") == quiet
