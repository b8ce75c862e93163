"""How many threads the native engine takes."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

# A second thread pays from about this many floating point operations for each of them between
# two meetings (a meeting costs less than a microsecond), and starting it from so many in a call.
_STEP_OPERATIONS = 6e5
_CALL_OPERATIONS = 2e7

# With steps of more than this, several threads are faster wherever they are.
_SURE_OPERATIONS = 3e7
_EPOCHS_BETWEEN_TRIALS = 32

_limit: ContextVar[int | None] = ContextVar("limit", default=None)


@contextlib.contextmanager
def limited(n_threads: int | None) -> Iterator[None]:
    """Within it, take up to so many threads, and NumPy's matrix products too; None: no change."""
    if n_threads is None:
        yield
        return
    token = _limit.set(n_threads)
    try:
        if n_threads < (os.cpu_count() or 1):
            with _controller().limit(limits=n_threads):
                yield
        else:
            yield
    finally:
        _limit.reset(token)


def work_alone() -> None:
    """Let the thread that calls this take no other ones: for one of many that share the work."""
    _limit.set(1)


def available() -> int:
    """Return the most threads that may be taken.

    The processors that this process may use, or fewer where `limited` says so; without that,
    where ``OMP_NUM_THREADS`` does, or threadpoolctl or a joblib worker has limited the matrix
    products.
    """
    limit = _limit.get()
    if limit is not None:
        return min(limit, _processors())
    limits = [lib.num_threads for lib in _controller().lib_controllers]
    environment = os.environ.get("OMP_NUM_THREADS", "").strip()
    if environment.isdecimal():  # a list is for nested regions, of which there are none
        limits.append(int(environment))
    return min([_processors(), *(n for n in limits if n > 0)])


def for_work(step: float, steps: int = 1) -> int:
    """Return the threads for so many steps of so many floating point operations."""
    useful = int(min(step / _STEP_OPERATIONS, step * steps / _CALL_OPERATIONS))
    return 1 if useful < 2 else max(1, min(useful, available()))


class Pace:
    """Finds out, from epoch to epoch, whether several threads are faster than one.

    For small steps that depends on how far apart the processors are and on who else uses them,
    which may change while a run goes on. Every number of threads gives the same bits, so the
    numbers of one run may differ.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._epochs = 0

    def choose(self, most: int, step: float) -> int:
        """Return the threads for the next epoch: up to `most`, for so many operations a step."""
        if most == 1 or step > _SURE_OPERATIONS:
            return most
        self._epochs += 1
        for n in (most, 1):
            if n not in self._seconds:
                return n
        faster, slower = sorted((most, 1), key=lambda n: self._seconds[n])
        return slower if self._epochs % _EPOCHS_BETWEEN_TRIALS == 0 else faster

    def took(self, n: int, seconds: float) -> None:
        """Be told what an epoch took with n threads."""
        self._seconds[n] = seconds


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
