"""Finding and loading the C library, fork, and the few functions about the library itself."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

import dpattn
from conftest import make_params, make_release
from dpattn._c import abi, library


def test_import_loads_nothing(run_python) -> None:
    done = run_python("-c", "import dpattn; print(dpattn.__version__)", DPATTN_LIBRARY="no/such/file")
    assert (done.returncode, done.stdout.strip()) == (0, dpattn.__version__)


def test_missing_library_lists_every_path(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.delenv("DPATTN_LIBRARY", raising=False)
    paths = [str(tmp_path / "a" / "libdpattn.so"), str(tmp_path / "b" / "libdpattn.so"), "libdpattn-is-not-there.so"]
    monkeypatch.setattr(library, "candidates", lambda: paths)
    with pytest.raises(dpattn.LibraryError) as caught:
        library._load()
    for path in paths:
        assert path in str(caught.value)
    assert "DPATTN_LIBRARY" in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_candidates_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPATTN_LIBRARY", raising=False)
    paths = library.candidates()
    assert os.path.dirname(paths[0]) == os.path.dirname(dpattn.__file__)
    assert os.sep not in paths[-1]


@pytest.mark.parametrize(
    ("platform", "folder", "names"),
    [
        ("linux", "lib", ["libdpattn.so", "libdpattn.so.0"]),
        ("darwin", "lib", ["libdpattn.dylib", "libdpattn.0.dylib"]),
        ("win32", "bin", ["dpattn.dll"]),
    ],
)
def test_names_on_each_platform(run_python, platform: str, folder: str, names: list[str]) -> None:
    code = f"import sys, numpy, pathlib; sys.platform = {platform!r}; from dpattn._c import library"
    code += "; print(sys.prefix, *library.candidates(), sep='\\n')"
    done = run_python("-c", code, DPATTN_LIBRARY="")
    prefix, *paths = done.stdout.splitlines()
    assert [os.path.basename(path) for path in paths[: len(names)]] == names
    assert {os.path.join(prefix, folder, name) for name in names} < set(paths)
    assert paths[-1] == names[-1]


def test_override_is_the_only_candidate(run_python, tmp_path) -> None:
    wrong = tmp_path / "libdpattn.so"
    wrong.write_bytes(b"not a library")
    for path in (str(wrong), str(tmp_path / "absent.so")):
        done = run_python("-c", "import dpattn; dpattn.build_info()", DPATTN_LIBRARY=path)
        assert done.returncode == 1
        assert "LibraryError" in done.stderr
        assert path in done.stderr
        assert "nothing else was tried" in done.stderr


def test_another_library_is_refused() -> None:
    class Other:
        def __getattr__(self, name: str):
            raise AttributeError(f"undefined symbol: {name}")

    with pytest.raises(dpattn.LibraryError, match="is not the dpattn C library"):
        library._check_version(Other(), "other.so")


@pytest.mark.parametrize("packed", [0x000000, 0x000200, 0x010000])
def test_another_version_is_refused(packed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        @staticmethod
        def dpattn_version() -> int:
            return packed

    monkeypatch.setattr(abi, "declare", lambda library: None)
    with pytest.raises(dpattn.LibraryError, match=r"needs 0\.1\.x"):
        library._check_version(Other(), "other.so")


def test_build_info() -> None:
    info = dpattn.build_info()
    assert info["version"] == dpattn.__version__
    assert {"go", "os", "arch", "simd", "threads"} <= set(info)


def test_set_threads() -> None:
    try:
        dpattn.set_threads(1)
    finally:
        dpattn.set_threads(0)
    for wrong in (-1, 4097, 1.5, "2"):
        with pytest.raises(dpattn.InvalidArgumentError, match="threads is"):
            dpattn.set_threads(wrong)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_gets_an_error_and_does_not_hang() -> None:
    release = make_release()
    builder = dpattn.Builder(make_params())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        said = []
        for call in (
            lambda: release.attend(np.zeros(5)),
            lambda: dpattn.Builder(make_params()),
            lambda: builder.add(np.zeros((1, 5)), np.zeros((1, 3))),
            release.to_bytes,
            dpattn.build_info,
        ):
            try:
                call()
                said.append("nothing")
            except BaseException as error:
                said.append(type(error).__name__)
        release.close()
        os.write(writer, " ".join(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode().split()
    assert os.waitpid(child, 0)[1] == 0
    assert said == ["ForkedError"] * 5
    assert release.attend(np.zeros(5)).shape == (3,)  # the parent is well


def test_error_classes_carry_their_status() -> None:
    classes = [getattr(dpattn, name) for name in dpattn.__all__ if name.endswith("Error")]
    assert all(issubclass(kind, dpattn.DpattnError) for kind in classes)
    statuses = [kind.status for kind in classes if kind.status > 0]
    assert sorted(statuses) == list(range(1, len(abi.STATUS)))


def test_names_are_documented() -> None:
    for name in dpattn.__all__:
        if not name.startswith("__"):
            assert re.match(r"\S", getattr(dpattn, name).__doc__ or ""), name


def test_completion_offers_public_names_only(run_python) -> None:
    assert dir(dpattn) == sorted([*dpattn.__all__, "codebook", "torch", "verify"])
    done = run_python("-c", "import dpattn; print(dpattn.verify.verify(b'').ok)")
    assert done.stdout.strip() == "False", done.stderr
    with pytest.raises(AttributeError, match="no attribute 'verified'"):
        dpattn.verified  # noqa: B018 (reading it is the test)
