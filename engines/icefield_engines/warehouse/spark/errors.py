"""Messages of Spark's errors, without stack traces, plans and quotations of the SQL."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from icefield_engines.warehouse.errors import Code, EngineError

_AFTER = re.compile(r"\s*(== SQL|JVM stacktrace:|;\n'|;\n[A-Z]\w+ ).*", re.DOTALL)
_JAVA = re.compile(r"^\(?(?P<package>[a-z_]\w*(?:\.\w+)*)\.(?P<name>[A-Z]\w*?)(?:Exception|Error)?\)?:? +")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LOST = re.compile(
    r"StatusCode\.(UNAVAILABLE|CANCELLED)|Stream removed|Connection refused|closed channel"
    r"|INVALID_HANDLE\.SESSION|NO_ACTIVE_SESSION|server side session identifier"
)
_DEPTH = re.compile(r"StackOverflowError|FAILED_TO_PARSE_TOO_COMPLEX")
_MEMORY = re.compile(r"Java heap space|GC overhead limit|OutOfMemoryError")


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the server, or our session on it, is lost."""
    return bool(_LOST.search(_text(error)) or _LOST.search(_condition(error) or ""))


def describe_error(error: Exception) -> tuple[str, str]:
    """Return code and sentence for what pyspark raised."""
    if isinstance(error, EngineError):
        return error.code, error.message
    if isinstance(error, (MemoryError, pa.ArrowMemoryError)):
        return Code.OUT_OF_MEMORY, "The statement needs more memory than the warehouse has."
    text = _AFTER.sub("", _text(error).strip()).strip()
    if _is_too_deep(error):
        return Code.STATEMENT_TOO_DEEP, "The statement nests too deep for Spark; make several of it."
    if (call := _failed_call(error)) and text.startswith("<"):
        # The text is the repr of the call.
        text = call.details() or "Spark failed without giving a reason."
    if condition := _condition(error):
        return condition, text
    if _MEMORY.search(text):
        return Code.OUT_OF_MEMORY, "The statement needs more memory than Spark has."
    if java := _JAVA.match(text):
        return _WORD.sub("_", java["name"]).upper(), text[java.end() :]
    return _WORD.sub("_", type(error).__name__.removesuffix("Exception")).upper(), text or type(error).__name__


def _is_too_deep(error: Exception) -> bool:
    """Return whether a stack of Spark's overflowed, which its gRPC service reports as UNKNOWN without any words."""
    if _DEPTH.search(_text(error)) or _DEPTH.search(_condition(error) or ""):
        return True
    call = _failed_call(error)
    return bool(call and call.code().name == "UNKNOWN" and not call.details() and _text(error).startswith("<"))


def _failed_call(error: BaseException) -> Any:
    """Return the gRPC call that pyspark's error is about, or None."""
    call = error if hasattr(error, "details") else error.__context__
    return call if hasattr(call, "details") and hasattr(call, "code") else None


def _text(error: BaseException) -> str:
    """Return the message of an error."""
    return str(getattr(error, "_message", None) or error)


def _condition(error: BaseException) -> str | None:
    """Return Spark's error class, such as TABLE_OR_VIEW_NOT_FOUND, or None when it has none."""
    condition = getattr(error, "getCondition", lambda: None)()
    return str(condition) if condition else None
