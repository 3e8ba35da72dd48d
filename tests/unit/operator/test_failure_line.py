"""Which line of a program's output says why it failed: of real programs, and of the ends of long outputs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from icefield_operator.failure_line import failure_line

KEPT_BYTES = 2048
"""Of a container's log, in its termination message."""


def output_of(program: str) -> str:
    """Return the end of what a Python program writes, as a kubelet keeps it."""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
    )
    assert done.returncode != 0
    return done.stdout[-KEPT_BYTES:].decode(errors="replace")


CHAINED = """
try:
    {}["day"]
except KeyError as error:
    raise ValueError("no such day") from error
"""
WHILE_HANDLING = """
try:
    1 / 0
except ZeroDivisionError:
    undefined_name
"""
GROUP = 'raise ExceptionGroup("two failed", [ValueError("one"), TypeError("other")])'
DEEP = """
def deeper(depth):
    deeper(depth + 1) if depth < 60 else (_ for _ in ()).throw(RuntimeError("too deep\\nin fact"))
    len("a line of its own in each frame, so that the kept end has no beginning of the traceback")
deeper(0)
"""
NOTED = """
error = ValueError("first line\\nsecond line\\n  third line")
error.add_note("a note")
raise error
"""


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ('raise ValueError("no such day")', "ValueError: no such day"),
        ("raise ValueError", "ValueError"),
        ('raise ValueError("")', "ValueError"),
        (CHAINED, "ValueError: no such day"),
        (WHILE_HANDLING, "NameError: name 'undefined_name' is not defined"),
        (GROUP, "ExceptionGroup: two failed (2 sub-exceptions)"),
        (DEEP, "RuntimeError: too deep"),
        (NOTED, "ValueError: first line"),
        (r'raise ValueError("\nbelow the name")', "ValueError: below the name"),
        ('import json; json.loads("{")', "json.decoder.JSONDecodeError: Expecting property name enclosed in double"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ('import sys; sys.exit("no day given")', "no day given"),
        ('print("all is well"); print("", flush=True); raise SystemExit(3)', "all is well"),
        ('import os; os.write(2, b"\\x1b[31mred\\x1b[0m\\n"); os._exit(1)', "red"),
        ('import os; os.write(2, b"10%\\r20%\\rfailed\\r\\n"); os._exit(1)', "failed"),
        ("raise SystemExit(3)", None),
    ],
)
def test_what_python_programs_write(program: str, line: str | None) -> None:
    found = failure_line(output_of(program))
    assert found is None if line is None else found is not None and found.startswith(line)


JVM = """Exception in thread "main" org.example.JobFailed: day failed
\tat org.example.Main.run(Main.java:10)
Caused by: java.lang.IllegalStateException: no such day
\tat org.example.Days.find(Days.java:3)
\t... 12 more
"""
NODE = """/app/index.js:3
throw new Error("no such day")
^

Error: no such day
    at Object.<anonymous> (/app/index.js:3:7)
    at node:internal/main/run_main_module:28:49

Node.js v20.11.0
"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (JVM, "Caused by: java.lang.IllegalStateException: no such day"),
        (NODE, "Error: no such day"),
        ("sh: 1: spark-sumbit: not found\n", "sh: 1: spark-sumbit: not found"),
        ("", None),
        ("\n \n", None),
        ('  File "x.py", line 1, in <module>\n    cut off here', "cut off here"),
    ],
)
def test_what_other_programs_write(output: str, line: str | None) -> None:
    assert failure_line(output) == line
