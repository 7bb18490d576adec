"""Long work in C that Ctrl-C and a progress callback can stop.

While C runs, the interpreter of the calling thread does not, so no signal handler would run either;
and an exception raised inside a C callback is lost. So the C function runs in a helper thread, and
the calling thread waits where Python delivers signals, shows progress, and lets exceptions go their
normal way: any of them sets the cancel flag, waits until C has stopped and undone its work, and
then continues.
"""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Any, Callable, Optional, Tuple, Union

from .._errors import InvalidArgumentError, OutOfMemoryError
from .._progress import Bar
from . import abi

Report = Callable[[int, int], object]
ProgressLike = Union[Report, bool, None]
_Work = Callable[[Any], None]

# Below this many multiplications (some milliseconds) work is not worth a thread.
LONG = 20_000_000

# Seconds between reports of progress.
_QUIET = 0.02


def run(work: _Work, progress: ProgressLike, label: str, cost: int) -> None:
    """Do `work(pointer to dpattn_progress or None)`; `cost` estimates its multiplications."""
    if progress is True:
        with Bar(label) as bar:
            _run_in_thread(work, bar)
    elif progress is None or progress is False:
        if cost >= LONG and threading.current_thread() is threading.main_thread():
            try:
                _run_in_thread(work, None)
            except OutOfMemoryError:  # to undo rows takes a second state; rather add them for good than not at all
                work(None)
        else:
            work(None)
    elif callable(progress):
        _run_in_thread(work, progress)
    else:
        raise InvalidArgumentError(f"progress is {progress!r}; it must be None, True or a callable (done, total)")


def _run_in_thread(work: _Work, report: Optional[Report]) -> None:
    cancel = ctypes.c_int32(0)
    wake, shown = threading.Event(), threading.Event()
    latest: Optional[Tuple[int, int]] = None
    quiet_until = 0.0
    failure: Optional[BaseException] = None
    finished = False

    def step(_user: Any, done: int, total: int) -> int:
        nonlocal latest, quiet_until
        # The first and the last step are always shown, and C waits for the outcome: an exception in
        # the last one, too, cancels. `shown` is cleared before `cancel` is read, so that the
        # caller's cancel-then-set is never missed.
        shown.clear()
        if cancel.value == 0 and (done >= total or time.monotonic() >= quiet_until):
            latest = (done, total)
            wake.set()
            shown.wait()
            quiet_until = time.monotonic() + _QUIET
        return cancel.value

    def body() -> None:
        nonlocal failure, finished
        try:
            work(ctypes.byref(progress))
        except BaseException as error:  # handed to the calling thread
            failure = error
        finally:
            finished = True
            wake.set()

    progress = abi.Progress(struct_size=ctypes.sizeof(abi.Progress), cancel=ctypes.addressof(cancel))
    if report is not None:
        progress.callback = abi.PROGRESS_CALLBACK(step)
    thread = threading.Thread(target=body, name="dpattn")
    try:
        thread.start()
        while not finished:
            wake.wait()
            wake.clear()
            if report is not None and latest is not None:
                report(*latest)
                latest = None
                shown.set()
    except BaseException:
        cancel.value = 1
        shown.set()
        _wait_for(thread)
        raise
    if failure is not None:
        try:
            raise failure
        finally:
            failure = None  # else it and this frame keep each other alive, and with them the caller's arrays


def _wait_for(thread: threading.Thread) -> None:
    """Join, whatever arrives meanwhile: C still borrows the caller's arrays."""
    while thread.is_alive():
        try:
            thread.join()
        except BaseException:  # a second Ctrl-C; the first one is on its way already
            continue
