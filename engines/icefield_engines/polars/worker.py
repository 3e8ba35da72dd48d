"""The worker: imports everything first, then waits for its workload, runs it, and reports the outcome.

`python -m icefield_engines.polars.worker WORK MESSAGES`: the descriptors of the pipe that the workload's document comes
from, and of the one that messages go to, one JSON document a line. Our own code prints nothing.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from icefield_crds.wire.outcome import FailureKind, WorkloadState
from icefield_crds.wire.workload import Workload

from . import file_access, libraries, warm_up
from .errors import describe, kind_of, line_of
from .outcome import MAX_ERROR_CHARACTERS, failed, out_of_memory
from .run import run
from .settings import Settings

_DISPOSABLE = "1000"
"""oom_score_adj: when memory runs out the worker goes first (proc(5))."""

_SHORTEST_SECRET = 4
"""Shorter values are not replaced: they would garble messages."""


def main(work: int, messages: int) -> None:
    """Run one workload, then wait to be killed."""
    settings = Settings.read({**os.environ, "ICEFIELD_SANDBOX_TOKEN_SHA256": "-"})
    _limit(settings)
    _silence_libraries()
    warm_up.warm_up()
    _send(messages, {"ready": True})
    with os.fdopen(work, "rb") as pipe:
        document = pipe.read()
    if not document:
        return
    workload = Workload.from_json(json.loads(document))
    del document
    os.environ.update(workload.environment)
    file_access.open_files(workload.access)
    started = time.monotonic()
    outcome = _outcome(workload, settings, started)
    _flush()
    _send(messages, outcome)
    while True:
        time.sleep(3600)  # neither threads of the script nor its exit handlers change the outcome


def _outcome(workload: Workload, settings: Settings, started: float) -> dict[str, Any]:
    try:
        libraries.add(workload)
        done = run(workload)
    except BaseException as error:
        return _failure(error, workload, settings, _milliseconds(started))
    return {"state": WorkloadState.SUCCEEDED, "execution_milliseconds": _milliseconds(started), **done}


def _failure(error: BaseException, workload: Workload, settings: Settings, milliseconds: float) -> dict[str, Any]:
    kind = kind_of(error, FailureKind.SCRIPT if workload.mode == "script" else FailureKind.QUERY)
    if kind == FailureKind.MEMORY:
        return out_of_memory(settings, milliseconds).to_json()
    line = line_of(error)
    if isinstance(error, SyntaxError) and line is None and error.lineno:
        line = error.lineno
    return failed(kind, _scrubbed(describe(error), workload, line), milliseconds, line).to_json()


def _scrubbed(sentence: str, workload: Workload, line: int | None) -> str:
    for secret in (workload.access.token, workload.access.object_store.secret_access_key):
        if len(secret) >= _SHORTEST_SECRET:
            sentence = sentence.replace(secret, "***")
    return (f"script line {line}: {sentence}" if line else sentence)[:MAX_ERROR_CHARACTERS]


def _limit(settings: Settings) -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_DISPOSABLE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (settings.disk_limit_bytes, settings.disk_limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _silence_libraries() -> None:
    """Keep log messages and warnings of libraries out of the script's output."""
    for library in ("pyiceberg", "urllib3"):
        logging.getLogger(library).addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module="pyiceberg")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _send(messages: int, message: dict[str, Any]) -> None:
    line = memoryview(json.dumps(message).encode() + b"\n")
    while line:
        line = line[os.write(messages, line) :]


def _milliseconds(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
