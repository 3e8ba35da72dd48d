"""How long the planning of one statement may keep a processor busy.

What planning does is bounded by the length of a text, but for shapes that nobody has thought of. So its steps look at
the time now and then: that of their thread, as others may share the processor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from .errors import SqlError, TakesTooLong

T = TypeVar("T")

STEPS_BETWEEN_CHECKS = 256
TOO_LONG = "The statement takes too long to read; make several of it."


class _End(NamedTuple):
    """When the time is over, by the clock of the thread for which it was limited."""

    at: float
    thread: int


_end: ContextVar[_End | None] = ContextVar("end of the time for planning", default=None)


class OutOfTimeError(Exception):
    """A statement takes too long to plan."""


@contextmanager
def limited_to(seconds: float) -> Iterator[None]:
    """Have `check` raise OutOfTimeError once this thread has worked so long in the context; an outer limit holds on.

    A limit holds in the thread where it was set: a thread that is given work has a clock of its own.
    """
    outer, thread = _end.get(), threading.get_ident()
    end = time.thread_time() + seconds
    if outer is not None and outer.thread == thread:
        end = min(end, outer.at)
    token = _end.set(_End(end, thread))
    try:
        yield
    finally:
        _end.reset(token)


@contextmanager
def refused_after(seconds: float, sentence: str = TOO_LONG) -> Iterator[None]:
    """Limit the time, and refuse what takes longer, or nests deeper than Python can follow.

    Raises:
        TakesTooLong: the time is over, of this limit or of an outer one.
        SqlError: the statement nests too deep.
    """
    try:
        with limited_to(seconds):
            yield
    except RecursionError:
        raise SqlError("The statement nests too deep.") from None
    except OutOfTimeError:
        raise TakesTooLong(sentence) from None


def check() -> None:
    """Raise OutOfTimeError when the time is over."""
    end = _end.get()
    if end is not None and time.thread_time() > end.at and end.thread == threading.get_ident():
        raise OutOfTimeError


def checked(steps: Iterable[T]) -> Iterator[T]:
    """Yield the steps of a loop, and raise OutOfTimeError between two of them when the time is over."""
    for number, step in enumerate(steps):
        if number % STEPS_BETWEEN_CHECKS == 0:
            check()
        yield step
