"""What can go wrong, said so that a person can act on it."""

from __future__ import annotations

from pathlib import Path


class ClusterError(Exception):
    """A failure with a sentence for the user.

    Args:
        message: what happened, one sentence.
        fix: what the user can do about it, one sentence; empty when nothing better than the log is known.
        log: the file that has the details.
    """

    def __init__(self, message: str, *, fix: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.log = log
