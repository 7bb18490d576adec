"""A file that keeps the privacy account of one data set, so that no budget is spent twice."""

from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Dict, NoReturn, Optional

from ._c import abi
from ._c.buffers import read_bytes
from ._c.handle import Handle
from ._c.library import call
from ._check import real
from ._errors import FileError, InvalidArgumentError, MismatchError
from ._files import PathLike
from ._release import Release


class Ledger(Handle):
    """The account of one private data set: what its releases may cost together, and what each has.

    It keeps the bytes of the releases, too.

    A release through it (`Builder.release` with `ledger`) is on disk before it is handed out, so
    that whatever crashes, what was spent is at least what was released. That all releases of the
    data set go through its ledger, and those of no other, is your part: a builder has no name for
    its data. An older copy of the file has forgotten what was spent since.

    Between calls nothing is open or locked: any number of processes may use one file.

    Parameters
    ----------
    path : str or path-like
        The file. Without an allowance it must exist; with one it is made if it does not, and must
        have this one if it does.
    epsilon, delta : float, optional
        What all releases may cost together, adaptively chosen.
    mu : float, optional
        Instead of epsilon and delta, for releases by the Gaussian mechanism only.
    other_epsilon, other_delta : float, optional
        The part of epsilon and delta that is set aside for mechanisms other than the Gaussian,
        which have no mu and add up plainly.

    Raises
    ------
    FileError
        If the file cannot be read or made.
    CorruptError
        If it was cut or altered, or is no ledger.
    MismatchError
        If it exists with another allowance.
    BusyError
        If another process has been working on it for ten seconds.

    Examples
    --------
    >>> ledger = Ledger("people.ledger", epsilon=2.0, delta=1e-6)  # doctest: +SKIP
    >>> release = builder.release(
    ...     epsilon=1.0, delta=1e-6, ledger=ledger, label="v1"
    ... )  # doctest: +SKIP
    """

    _kind = "ledger"
    _end = "close"

    def __init__(
        self,
        path: PathLike,
        *,
        epsilon: Optional[float] = None,
        delta: Optional[float] = None,
        mu: Optional[float] = None,
        other_epsilon: float = 0.0,
        other_delta: float = 0.0,
    ) -> None:
        self._path = os.fspath(path)
        name = _text("path", os.fsencode(path))
        allowance = _allowance(epsilon, delta, mu, other_epsilon, other_delta)
        handle = ctypes.c_uint64()
        if allowance is not None and not os.path.lexists(path):
            try:
                call("dpattn_ledger_create", name, ctypes.byref(allowance), ctypes.byref(handle))
            except FileError:
                if not os.path.lexists(path):
                    raise  # else another process was faster
        if not handle.value:
            call("dpattn_ledger_open", name, ctypes.byref(handle))
        self._own(handle.value)
        if allowance is not None:
            self._check_allowance(allowance)

    def _check_allowance(self, asked: abi.Allowance) -> None:
        has = self.show()["allowance"]
        for name in ["epsilon", "mu"] if asked.mu else ["epsilon", "delta", "other_epsilon", "other_delta"]:
            if has[name] != getattr(asked, name):
                self.close()
                raise MismatchError(
                    f"{name} is {getattr(asked, name)!r}; the ledger {self._path} was made with {has[name]!r}"
                )

    @property
    def path(self) -> str:
        """The file."""
        return os.fsdecode(self._path)

    def show(self) -> Dict[str, Any]:
        """Give the statement: allowance, spent, left, shares and releases (docs/formats.md)."""
        text = read_bytes("dpattn_ledger_show", self._open())
        statement: Dict[str, Any] = json.loads(text.rstrip(b"\0"))
        return statement

    def load(self, label: str) -> Release:
        """Give the release with this label once more, at no cost.

        Raises
        ------
        InvalidArgumentError
            If there is none.
        """
        result = ctypes.c_uint64()
        call("dpattn_ledger_load", self._open(), _label(label), ctypes.byref(result))
        return Release._adopt(result.value)

    def __repr__(self) -> str:
        return f"<dpattn.Ledger {self._path!r}; {'open' if self._handle else 'closed'}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a dpattn.Ledger is not pickled; open its file by its path")


def _allowance(
    epsilon: Optional[float], delta: Optional[float], mu: Optional[float], other_epsilon: float, other_delta: float
) -> Optional[abi.Allowance]:
    others = {"epsilon": epsilon, "delta": delta, "other_epsilon": other_epsilon, "other_delta": other_delta}
    given = [name for name, value in others.items() if value is not None and value != 0]
    if mu is None and not given:
        return None
    result = abi.Allowance(struct_size=ctypes.sizeof(abi.Allowance))
    if mu is not None:
        if given:
            raise InvalidArgumentError(f"mu is {mu!r}; then {given[0]} must not be given")
        result.mu = real("mu", mu, 0.0, float("inf"))
        return result
    result.epsilon = real("epsilon", epsilon, 0.0, float("inf"))
    result.delta = real("delta", delta, 0.0, 1.0)
    for name, value in (("other_epsilon", other_epsilon), ("other_delta", other_delta)):
        if value:
            setattr(result, name, real(name, value, 0.0, float("inf")))
    return result


def _label(label: Optional[str]) -> Optional[bytes]:
    if label is None:
        return None
    if not isinstance(label, str):
        raise InvalidArgumentError(f"label is a {type(label).__name__}; it must be a str or None")
    return _text("label", label.encode("utf-8", "surrogateescape"))


def _text(name: str, text: bytes) -> bytes:
    if b"\0" in text:
        raise InvalidArgumentError(f"{name} is {text!r}; it must not hold a zero byte")
    return text
