"""Errors of statements, without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

HIDDEN = "***"
_SHORTEST_SECRET = 4


class Code(StrEnum):
    """The error codes that are ours; all others are the engine's own."""

    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    ENGINE_LOST = "ENGINE_LOST"
    ENGINE_CRASHED = "ENGINE_CRASHED"
    """The engine's process ended because of this statement."""
    ENGINE_CRASH_SUSPECTED = "ENGINE_CRASH_SUSPECTED"
    """The engine's process ended while it ran this statement and others; it may be run once more."""
    SPARK_UNAVAILABLE = "SPARK_UNAVAILABLE"
    STATEMENT_TOO_DEEP = "STATEMENT_TOO_DEEP"
    STATEMENT_NOT_ALLOWED = "STATEMENT_NOT_ALLOWED"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    ARITHMETIC_OVERFLOW = "ARITHMETIC_OVERFLOW"
    RESULT_NOT_STORED = "RESULT_NOT_STORED"
    NOT_NULL = "NOT_NULL_ASSERT_VIOLATION"
    TABLE_CHANGED = "TABLE_CHANGED"
    COMMIT_FAILED = "COMMIT_FAILED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    TOO_MANY_BAD_ROWS = "TOO_MANY_BAD_ROWS"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class EngineError(Exception):
    """Why a statement failed."""

    def __init__(self, code: str, message: str) -> None:
        """Raise with the engine's error class, or one of `Code`, and one sentence."""
        super().__init__(message)
        self.code = str(code)
        self.message = message


class Scrubber:
    """Removes secrets from text that leaves the process."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Hide these values; very short values are not replaced, as they would garble messages."""
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with each secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
