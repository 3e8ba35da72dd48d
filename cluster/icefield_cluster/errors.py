"""Errors with a message, a fix and a log for the user."""

from __future__ import annotations

from pathlib import Path


class ClusterError(Exception):
    """A failure that the user is shown.

    Args:
        message: what happened, one sentence.
        fix: what the user can do about it, one sentence; empty when there is only the log.
        log: the file that has the details.
    """

    def __init__(self, message: str, *, fix: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.log = log
