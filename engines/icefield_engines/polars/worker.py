"""The worker: imports everything first, then waits for its workload, runs it, and tells what it came to.

`python -m icefield_engines.polars.worker WORK TELL`: the descriptors of the pipe that the workload's document comes
from, and of the one that messages go to, a JSON document a line. Nothing of ours is printed.
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

from . import warm
from .errors import kind_of, line_of, told
from .outcome import MAX_ERROR_CHARACTERS, Kind, failed, out_of_memory
from .run import run
from .settings import Settings
from .workload import Workload, parse

_DISPOSABLE = "1000"
"""oom_score_adj: when memory runs out the worker goes first (proc(5))."""

_SHORTEST_SECRET = 4
"""What is shorter is no secret, and would only garble sentences."""


def main(work: int, tell: int) -> None:
    """Do it all; then wait to be killed."""
    settings = Settings.read({**os.environ, "ICEFIELD_SANDBOX_TOKEN_SHA256": "-"})
    _limit(settings)
    _be_quiet()
    warm.up()
    _tell(tell, {"ready": True})
    with os.fdopen(work, "rb") as pipe:
        document = pipe.read()
    if not document:
        return
    workload = parse(json.loads(document))
    del document
    os.environ.update(workload.environment)
    began = time.monotonic()
    outcome = _outcome(workload, settings, began)
    _flush()
    _tell(tell, outcome)
    while True:
        time.sleep(3600)  # threads of the script, and what it wants done at exit, have no say any more


def _outcome(workload: Workload, settings: Settings, began: float) -> dict[str, Any]:
    try:
        done = run(workload)
    except BaseException as error:
        return _failure(error, workload, settings, _milliseconds(began))
    return {"state": "succeeded", "execution_milliseconds": _milliseconds(began), **done}


def _failure(error: BaseException, workload: Workload, settings: Settings, milliseconds: float) -> dict[str, Any]:
    kind = kind_of(error, Kind.SCRIPT if workload.mode == "script" else Kind.QUERY)
    if kind == Kind.MEMORY:
        return vars(out_of_memory(settings, milliseconds))
    line = line_of(error.__traceback__)
    if isinstance(error, SyntaxError) and line is None and error.lineno:
        line = error.lineno
    return vars(failed(kind, _scrubbed(told(error), workload, line), milliseconds, line))


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


def _be_quiet() -> None:
    """Keep what libraries remark out of the output: that is the script's."""
    for library in ("pyiceberg", "urllib3"):
        logging.getLogger(library).addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module="pyiceberg")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def _tell(tell: int, message: dict[str, Any]) -> None:
    line = memoryview(json.dumps(message).encode() + b"\n")
    while line:
        line = line[os.write(tell, line) :]


def _milliseconds(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 3)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
