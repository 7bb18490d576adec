"""The steps of verification that are the same for every mechanism."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple, Union

from . import codebook, moment, trees
from .numbers import mpmath
from .reader import RELEASE, BadFileError, Reader
from .report import Certificate, Report, compare, read_certificate

# By the mechanism's number in release files. Each has a class File, and verify_claim, expected,
# computed and verify_numbers for the steps of `verify`.
_MECHANISMS: Dict[int, Any] = {1: moment, 2: trees, 3: codebook}


def verify(data: Union[bytes, bytearray, memoryview], certificate: Optional[Certificate] = None) -> Report:
    """Verify a release.

    Parameters
    ----------
    data : bytes-like
        The release file.
    certificate : bytes, str or dict, optional
        A certificate (JSON) that must say the same as the file.

    Returns
    -------
    Report
        Never an exception for wrong input: `Report.problems` says what is wrong.

    Raises
    ------
    LibraryError
        If mpmath is not installed.
    """
    mpmath()
    report = Report()
    try:
        kind, file = _open(memoryview(data).cast("B"))
    except BadFileError as error:
        report.problems.append(f"file: {error}")
        return report
    report.checks.append("file: magic, version, SHA-256 and length agree")
    kind.verify_claim(file, report)
    if certificate is not None:
        _verify_certificate(kind, file, certificate, report)
    return report


def _open(data: memoryview) -> Tuple[Any, Any]:
    """What knows the file's mechanism, and the file as it reads it."""
    reader = Reader(data)
    if reader.magic != RELEASE:
        return trees, trees.File(reader)
    *_, mechanism = reader.peek("5I")
    if mechanism not in _MECHANISMS:
        known = " or ".join(map(str, _MECHANISMS))
        raise BadFileError(f"mechanism is {mechanism}; it must be {known}")
    kind = _MECHANISMS[mechanism]
    return kind, kind.File(reader)


def _verify_certificate(kind: Any, file: Any, certificate: Certificate, report: Report) -> None:
    try:
        claims = read_certificate(certificate)
    except (ValueError, RecursionError) as error:
        report.problems.append(f"certificate: it is not JSON: {error}")
        return
    before = len(report.problems)
    compare(kind.expected(file), kind.computed(file), claims, report)
    if report.facts:
        kind.verify_numbers(file, claims, report)
    if len(report.problems) == before:
        report.checks.append("certificate: every field agrees with the file")
