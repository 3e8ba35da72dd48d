"""The sandbox's protocol, and the ways in which it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from .sandbox import Sandbox

pytestmark = pytest.mark.integration

GOOD = "result = pl.DataFrame({'a': [1]})"
SLOW = "import time\nprint('started')\ntime.sleep(600)"


def test_a_workload_is_taken_once(sandbox: Sandbox) -> None:
    sandbox.start()
    script = "import pathlib\npathlib.Path('runs').open('a').write('x')\n" + GOOD
    workload = sandbox.workload(script=script)
    assert sandbox.call("GET", "/outcome").json() == {"state": "waiting"}
    assert sandbox.call("POST", "/acknowledge").status_code == 409
    assert [sandbox.put(workload).status_code for _ in range(3)] == [202] * 3
    assert sandbox.put(sandbox.workload(script=script)).status_code == 409
    outcome = sandbox.outcome()
    assert sandbox.put(workload).json() == {"state": "succeeded"}
    assert sandbox.put(sandbox.workload(script=script)).status_code == 409
    assert sandbox.outcome() == outcome
    assert (sandbox.scratch / "runs").read_text() == "x"
    assert sandbox.acknowledge() == 0


def test_a_workload_may_come_before_the_worker_is_ready(sandbox: Sandbox) -> None:
    sandbox.begin()
    workload = sandbox.workload(script=GOOD)
    was_ready = sandbox.is_ready()
    while not sandbox.accepts(workload):
        was_ready = sandbox.is_ready()
    assert not was_ready
    assert sandbox.outcome()["state"] == "succeeded"


def test_what_callers_must_not_do(sandbox: Sandbox) -> None:
    sandbox.start()
    workload = sandbox.workload(script=GOOD)
    assert sandbox.call("PUT", "/workload", json=workload, token="wrong").status_code == 401
    assert sandbox.call("PUT", "/workload", json=workload, token="").status_code == 401
    assert sandbox.call("GET", "/outcome", token="wrong").status_code == 401
    assert sandbox.call("POST", "/acknowledge", token="wrong").status_code == 401
    for wrong in (b"", b"{", b"[]", b"[" * 100_000, b"\xff"):
        answer = sandbox.call("PUT", "/workload", content=wrong)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("Invalid workload: ")
    assert sandbox.put({**workload, "mode": "both"}).json() == {
        "error": "Invalid workload: mode must be one of query, script."
    }
    assert sandbox.call("GET", "/outcome", params={"wait": 61}).status_code == 400
    assert sandbox.call("GET", "/outcome", params={"wait": "nan"}).status_code == 400
    assert sandbox.call("GET", "/elsewhere").status_code == 404
    assert sandbox.call("PATCH", "/workload").json().keys() == {"error"}
    assert sandbox.call("GET", "/outcome").json() == {"state": "waiting"}


def test_it_ends_by_itself_when_nobody_takes_the_outcome_down(sandboxes: Callable[..., Sandbox]) -> None:
    sandbox = sandboxes(ICEFIELD_LINGER_SECONDS="0.5")
    sandbox.start()
    sandbox.put(sandbox.workload(script="x = 1"))
    assert sandbox.process
    assert sandbox.process.wait(30) == 1
    assert sandbox.termination_message["error_kind"] == "script"


def test_being_told_to_end(sandbox: Sandbox) -> None:
    sandbox.start()
    sandbox.put(sandbox.workload(script=SLOW))
    while "started" not in sandbox.output:
        assert sandbox.call("GET", "/outcome").status_code == 202
    worker = psutil.Process(sandbox.first_process).children()[0]
    assert sandbox.terminate() == 143
    assert not worker.is_running()
    assert sandbox.termination_message["state"] == "cancelled"
    assert sandbox.termination_message["error"] == "the workload was cancelled"


def test_being_told_to_end_without_a_workload(sandbox: Sandbox) -> None:
    sandbox.start()
    assert sandbox.terminate() == 143
    assert not (sandbox.folder / "termination-log").exists()


def test_a_worker_that_dies_before_its_workload(sandbox: Sandbox) -> None:
    sandbox.start()
    psutil.Process(sandbox.first_process).children()[0].kill()
    assert sandbox.process
    assert sandbox.process.wait(20) == 1
    assert sandbox.termination_message["error"] == "the sandbox could not start: its worker was ended by SIGKILL"
    assert sandbox.termination_message["error_kind"] == "start"


def test_it_is_small_while_it_waits(sandbox: Sandbox) -> None:
    sandbox.start()
    supervisor = psutil.Process(sandbox.first_process)
    (worker,) = supervisor.children()
    assert supervisor.memory_info().rss < 40 * 1024**2
    assert worker.memory_info().rss < 300 * 1024**2


def test_it_does_not_run_where_it_would_kill_what_is_not_its_own() -> None:
    argv = [sys.executable, "-P", "-m", "icefield_engines.polars"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "must be the first process of a PID namespace" in ended.stderr
