"""Pure: which line of a program's output says why it failed.

The output is the end of a container's log, which the kubelet leaves as its termination message where the container's
terminationMessagePolicy is FallbackToLogsOnError: at most 2,048 bytes and 80 lines (kubernetes/kubernetes v1.34,
pkg/kubelet/kuberuntime/kuberuntime_manager.go), so a traceback may have lost its beginning.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_GROUP_MARGIN = re.compile(r"^\s*(\| ?|\+-[-+ ]*)")
"""What traceback.py puts before the lines of an exception group."""
_PYTHON_FRAME = re.compile(r'^\s+File ".+", line \d+')
_OTHER_FRAME = re.compile(
    r"^\s+at \S|^\s*\.\.\. \d+ (more|common frames)|^Node\.js v\d|^note: run with `RUST_BACKTRACE"
)
"""Frames of the JVM and of Node.js, and what Node.js and Rust add below an error."""


def failure_line(output: str) -> str | None:
    """Return the line that says why a program failed; None when it said nothing.

    It is the exception's of the last Python traceback, without the lines that its message may have besides the first;
    otherwise the last line that is no frame of another language's stack trace.

    Args:
        output: the end of what the program wrote.
    """
    lines = [_ESCAPES.sub("", line).rstrip() for line in output.replace("\r", "\n").split("\n")]
    return _python_exception(lines) or next(
        (line.strip() for line in reversed(lines) if line.strip() and not _OTHER_FRAME.match(line)), None
    )


def _python_exception(lines: list[str]) -> str | None:
    """Return what the last Python traceback ends with: `ValueError: no such day`."""
    bare = [_GROUP_MARGIN.sub("", line) for line in lines]
    frames = [number for number, line in enumerate(bare) if _PYTHON_FRAME.match(line)]
    if not frames:
        return None
    after = bare[frames[-1] + 1 :]
    start = next((number for number, line in enumerate(after) if line and not line[0].isspace()), None)
    if start is None:
        return None
    exception, *message = after[start:]
    first = next((line.strip() for line in message if line.strip()), "")
    return f"{exception} {first}".rstrip() if exception.endswith(":") else exception
