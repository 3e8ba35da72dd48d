"""Pure: why an application failed, in one sentence, from the end of what it printed.

Sources: spark v4.0, core/src/main/scala/org/apache/spark/{deploy/SparkSubmit,scheduler/TaskSchedulerImpl,
scheduler/DAGScheduler,util/SparkExitCode}.scala and scheduler/cluster/k8s/ExecutorPodsLifecycleManager.scala.
"""

from __future__ import annotations

import re
import signal
from typing import NamedTuple

LIMIT_BYTES = 4096
"""How much of a termination message Kubernetes keeps."""
_LONGEST = 1500
_KILLED = 128 + signal.SIGKILL
_OUT_OF_MEMORY = {_KILLED, 52, 3}
"""Exit codes of an executor without memory: by the kernel, by Spark, and by the JVM (ExitOnOutOfMemoryError)."""

_JVM_MEMORY = re.compile(r"(?:Terminating due to )?java\.lang\.OutOfMemoryError: (?P<what>[^\n]+)")
_LOST = re.compile(r"ExecutorLostFailure \(executor (?P<number>\w+) exited[^)]*\)(?: Reason: (?P<reason>[^\n]+))?")
_EXIT_CODE = re.compile(r"exit(?:ed with exit)? code:? (?P<code>\d+)", re.IGNORECASE)
_TOO_MANY = re.compile(r"Max number of executor failures \(\d+\) reached")
_NO_CLASS = re.compile(r"^Error: Failed to load class (?P<name>\S+?)\.?$", re.MULTILINE)
_NO_MAIN = re.compile(r"NoSuchMethodException: (?P<name>[\w.$]+)\.main\(")
_SUBMIT = re.compile(r"^Error: (?P<what>[^\n]+)$", re.MULTILINE)
_UNRESOLVED = re.compile(r"unresolved dependency: (?P<what>[^;\]\n]+);(?P<version>[^:\]\n]+): not found")

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_RAISED = re.compile(r"^(?P<type>[A-Za-z_][\w.]*)(?::(?: (?P<what>.*))?)?$")
_CAUSE = re.compile(
    r'^\s*(?:Caused by: |Exception in thread "[^"]*" |: )(?P<type>[a-z_][\w.$]*\.[A-Z][\w$]*)(?:: (?P<what>[^\n]*))?$'
)
_RECORD = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ ")
"""Start of a record in Spark's log (conf/log4j2-defaults)."""
_OF_TRACE = re.compile(r"^\s+at |^\s+\.\.\. \d+ more|^\s*Caused by: |^\s*Suppressed: ")
_NOT_FOUND = re.compile(r"\[TABLE_OR_VIEW_NOT_FOUND[^]]*\] The table or view (?P<name>\S+) cannot be found")
_NOISE = re.compile(r"\s*SQLSTATE: \w+|;? line \d+,? pos \d+;?$")
_PLAIN = frozenset({"ApplicationError", "SystemExit", "PySparkRuntimeError", "SparkException"})
"""Errors whose message is complete without their class."""


class Sizes(NamedTuple):
    """Memory of driver and executors, as Kubernetes quantities."""

    driver: str
    executor: str


def sentence(printed: str, code: int, sizes: Sizes, entrypoint: str | None) -> str:
    """Return why an application failed.

    Args:
        printed: the end of what it printed.
        code: its exit code; 128 + the number of the signal that ended it.
        sizes: the memory of driver and executors.
        entrypoint: name of the Python file that was started, if it was one.
    """
    found = (
        _memory(printed, code, sizes)
        or _lost_executor(printed, sizes)
        or _refused(printed)
        or _raised(printed.splitlines(), entrypoint)
        or f"the application ended with exit code {code}"
    )
    return cut(found)


def cut(text: str) -> str:
    """Return a text that fits a termination message."""
    short = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return short.encode()[:LIMIT_BYTES].decode(errors="ignore")


def _memory(printed: str, code: int, sizes: Sizes) -> str | None:
    advice = "ask for a driver with more memory"
    found = list(_JVM_MEMORY.finditer(printed))
    if found and not _LOST.search(printed):
        return f"the driver ran out of memory (limit {sizes.driver}): {found[-1]['what'].strip()}; {advice}"
    if code == _KILLED:
        return f"the driver was killed, most likely because it ran out of memory (limit {sizes.driver}); {advice}"
    return None


def _lost_executor(printed: str, sizes: Sizes) -> str | None:
    lost = list(_LOST.finditer(printed))
    if lost:
        reason = (lost[-1]["reason"] or "").strip().rstrip(".")
        exited = _EXIT_CODE.search(reason)
        if "OOM" in reason or (exited and int(exited["code"]) in _OUT_OF_MEMORY):
            return f"an executor ran out of memory (limit {sizes.executor}); ask for executors with more memory"
        return f"executor {lost[-1]['number']} was lost" + (f": {reason}" if reason else "")
    if _TOO_MANY.search(printed):
        return "executors failed again and again, so Spark gave up"
    return None


def _refused(printed: str) -> str | None:
    """Return spark-submit's message about an application that it does not start."""
    if found := _NO_CLASS.search(printed):
        return f"there is no class {found['name']} in the jar"
    if found := _NO_MAIN.search(printed):
        return f"class {found['name']} has no main method"
    if found := _UNRESOLVED.search(printed):
        return f"package {found['what'].strip().replace('#', ':')}:{found['version'].strip()} was not found"
    return None


def _raised(lines: list[str], entrypoint: str | None) -> str | None:
    """Return the last cause of the last exception, with the line of a Python program that it came from."""
    # The log continues for a moment after the end: interrupted tasks log errors that are not the reason.
    logged = _in_records(lines)
    python, java = _python(lines, entrypoint), _java(lines, set(range(len(lines))) - logged)
    if python is None or java is None:
        found = python or java or _java(lines, logged)
        if found:
            return found.text
        submit = _SUBMIT.search("\n".join(lines))
        return submit["what"] if submit else None
    # An error of Java inside one of Python is its reason; one before it was handled.
    if java.line > python.line:
        return f"{python.place}{java.text}"
    return python.text


class _Found(NamedTuple):
    line: int
    text: str
    place: str = ""


def _python(lines: list[str], entrypoint: str | None) -> _Found | None:
    starts = [number for number, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK)]
    if not starts:
        return None
    place = _place(lines, entrypoint)
    for number in range(starts[-1] + 1, len(lines)):
        raised = _RAISED.match(lines[number])
        if raised:
            what = (raised["what"] or "").strip()
            if not what and raised["type"].startswith("pyspark."):
                # Some of PySpark's errors begin with an empty line.
                what = next((line.strip() for line in lines[number + 1 :] if line.strip()), "")
            return _Found(number, f"{place}{_said(raised['type'], what)}", place)
    return None


def _place(lines: list[str], entrypoint: str | None) -> str:
    frames = [frame for line in lines if (frame := _FRAME.match(line))]
    own = [frame["line"] for frame in frames if entrypoint and frame["file"].rsplit("/", 1)[-1] == entrypoint]
    return f"{entrypoint} line {own[-1]}: " if own else ""


def _in_records(lines: list[str]) -> set[int]:
    """Return the numbers of the lines that are exceptions in the log, each with the line that it begins with."""
    found: set[int] = set()
    is_in_record = False
    for number, line in enumerate(lines):
        begins = number > 0 and bool(_RECORD.match(lines[number - 1]))
        is_in_record = bool(_RECORD.match(line)) or begins or (is_in_record and bool(_OF_TRACE.match(line)))
        if is_in_record:
            found.add(number)
    return found


def _java(lines: list[str], numbers: set[int]) -> _Found | None:
    for number in sorted(numbers, reverse=True):
        cause = _CAUSE.match(lines[number])
        # Errors from Python are reported there.
        if cause and _TRACEBACK not in (cause["what"] or ""):
            return _Found(number, _said(cause["type"], (cause["what"] or "").strip()))
    return None


def _said(type_: str, what: str) -> str:
    """Return an exception without packages, plans and error numbers."""
    if found := _NOT_FOUND.search(what):
        return f"table {found['name'].replace('`', '')} does not exist"
    name = type_.rsplit(".", 1)[-1]
    short = _NOISE.sub("", what).strip()
    return short if short and name in _PLAIN else f"{name}: {short}" if short else name
