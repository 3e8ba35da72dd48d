"""How long the planning of one statement may keep a processor busy.

What planning does is bounded by the length of a text, but for shapes that nobody has thought of. So its steps look at
the time now and then: that of their thread, as others may share the processor.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

STEPS_BETWEEN_CHECKS = 256

_end: ContextVar[float | None] = ContextVar("end of the time for planning", default=None)


class OutOfTimeError(Exception):
    """A statement takes too long to plan."""


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Have `check` raise OutOfTimeError once this thread has worked so long in the context; an outer limit holds on."""
    outer, end = _end.get(), time.thread_time() + seconds
    token = _end.set(end if outer is None else min(outer, end))
    try:
        yield
    finally:
        _end.reset(token)


def check() -> None:
    """Raise OutOfTimeError when the time is over."""
    end = _end.get()
    if end is not None and time.thread_time() > end:
        raise OutOfTimeError


def checked(steps: Iterable[T]) -> Iterator[T]:
    """Yield the steps of a loop, and raise OutOfTimeError between two of them when the time is over."""
    for number, step in enumerate(steps):
        if number % STEPS_BETWEEN_CHECKS == 0:
            check()
        yield step
