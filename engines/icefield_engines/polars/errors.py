"""The reason of a workload's failure, as one sentence for its author."""

from __future__ import annotations

import errno

from polars.exceptions import PolarsError

from icefield_crds.wire.outcome import FailureKind

from .outcome import MAX_ERROR_CHARACTERS

SCRIPT_NAME = "<script>"
"""File name of a script's code objects."""
_noted: dict[int, int | None] = {}
"""Lines of errors by their ids; not in the errors, whose attributes a script may guard."""
_FULL = frozenset({errno.EFBIG, errno.ENOSPC, errno.EDQUOT})
_PLAN = ("\n\nResolved plan until failure", "\n\nThis error occurred", "\n\nHint:")


class WorkloadError(Exception):
    """A failure with a message of ours."""

    def __init__(self, kind: str, sentence: str) -> None:
        """Raise with a FailureKind and one sentence."""
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


def note_line(error: BaseException, line: int | None) -> None:
    """Note which line of the script an error is about that its traceback does not have."""
    _noted[id(error)] = line


def line_of(error: BaseException) -> int | None:
    """Return the script's innermost line in an error's traceback, or the noted one, from 1; None without either."""
    traceback, line = error.__traceback__, _noted.get(id(error))
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == SCRIPT_NAME:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def describe(error: BaseException) -> str:
    """Return an exception's type and message in one line.

    What Polars adds about its plan is left out, as the author has not written the plan.
    """
    if isinstance(error, WorkloadError):
        return error.sentence
    try:
        text = str(error)
    except BaseException:
        text = ""
    if isinstance(error, PolarsError):
        for mark in _PLAN:
            text = text.partition(mark)[0]
    text = " ".join(text[: 4 * MAX_ERROR_CHARACTERS].split())
    name = type(error).__name__[:100]
    return f"{name}: {text}" if text else name


def kind_of(error: BaseException, otherwise: str) -> str:
    """Return what kind of failure an exception is."""
    if isinstance(error, WorkloadError):
        return error.kind
    if isinstance(error, MemoryError):
        return FailureKind.MEMORY
    if isinstance(error, OSError) and error.errno in _FULL:
        return FailureKind.DISK
    return otherwise
