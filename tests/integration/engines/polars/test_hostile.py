"""Scripts that mean harm, and scripts that have gone wrong: each ends with a clear error, and nothing of it is left.

They run in cgroups as a pod's, so that a bomb is the sandbox's own trouble; what only a pod has (another user, a
read-only root, NetworkPolicies) is tried in a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
import pytest

from .conftest import SLUG
from .sandbox import MIB, Sandbox, has_cgroups

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not has_cgroups(), reason="needs root and cgroups of version 1"),
]

GOOD = "result = pl.DataFrame({'a': [1]})"
LIMITS = {
    "ICEFIELD_MAX_PROCESSES": "60",
    "ICEFIELD_MAX_OUTPUT_BYTES": str(MIB),
    "ICEFIELD_DISK_LIMIT_BYTES": str(64 * MIB),
    "ICEFIELD_MEMORY_LIMIT_BYTES": str(700 * MIB),
}


@pytest.fixture
def pod(sandboxes: Callable[..., Sandbox]) -> Sandbox:
    """A sandbox with small limits, in cgroups of its own."""
    sandbox = sandboxes(**LIMITS)
    sandbox.memory_limit_bytes = 700 * MIB
    return sandbox


def left_behind(sandbox: Sandbox) -> list[int]:
    """Process ids of what the supervisor has beside itself."""
    return [child.pid for child in psutil.Process(sandbox.first_process).children(recursive=True)]


def end_of(sandbox: Sandbox, script: str, timeout: int = 60, **fields: Any) -> dict[str, Any]:
    """Run a script; return its outcome, having checked that nothing of it runs when it is published."""
    sandbox.start()
    workload = sandbox.workload(script=script, timeout_seconds=timeout, **fields)
    assert sandbox.put(workload).status_code == 202
    outcome = sandbox.outcome()
    assert left_behind(sandbox) == []
    assert sandbox.termination_message["error"] == outcome["error"]
    assert sandbox.acknowledge() == (0 if outcome["state"] == "succeeded" else 1)
    return outcome


FORK_BOMB = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            os.write(1, b'still here\\n'); time.sleep(0.01)
    os._exit(0)
time.sleep(0.3)
"""


@pytest.mark.parametrize(
    ("script", "timeout", "kind", "error"),
    [
        ("while True: pass", 2, "time", "the workload took longer than its timeout of 2 s"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", 2, "time", "the workload took longer"),
        (
            "import signal, time\nfor n in range(1, 32):\n  if n not in (9, 17, 19): signal.signal(n, signal.SIG_IGN)\n"
            "while True: time.sleep(1)",
            2,
            "time",
            "the workload took longer",
        ),
        (FORK_BOMB, 60, "processes", "the workload started more than 60 processes"),
        (
            "x = []\nwhile True: x.append(bytearray(b'x' * 10**7))",
            60,
            "memory",
            "the workload ran out of memory (limit 700Mi); ask for more vcpus",
        ),
        ("while True: print('x' * 1000)", 60, "output", "the workload printed more than 1 MiB"),
        ("import os\nwhile True: os.write(2, b'x' * 65536)", 60, "output", "the workload printed more than 1 MiB"),
        ("import os\nos._exit(0)", 60, "script", "the workload's process ended with exit code 0 before it had a res"),
        ("import ctypes\nctypes.string_at(1)", 60, "script", "the workload's process was ended by SIGSEGV"),
        ("import os\nos.abort()", 60, "script", "the workload's process was ended by SIGABRT"),
        ("import os\nos.kill(os.getpid(), 9)", 60, "script", "the workload's process was ended by SIGKILL"),
        (
            "import os\nfor n in range(3, 20):\n  try: os.write(n, b'garbage\\n')\n  except OSError: pass",
            60,
            "internal",
            "the workload wrote to the pipe on which its outcome is reported",
        ),
        (
            "import os\nfor n in range(3, 20):\n  try: os.write(n, b'{\"a\": ' * 100000)\n  except OSError: pass",
            60,
            "internal",
            "the workload wrote to the pipe on which its outcome is reported",
        ),
        (
            "import os, time\nos.closerange(3, 64)\ntime.sleep(60)",
            60,
            "internal",
            "the workload closed the pipe on which it reports its outcome",
        ),
        (
            "import time\nfor n in range(100):\n  open(f'file{n}', 'wb').write(b'x' * 2**20)\ntime.sleep(60)",
            60,
            "disk",
            "the workload wrote more than 64Mi to disk",
        ),
        (
            "import os, time\nfor n in 'abc':\n  f = open('file', 'wb', 0); os.unlink('file'); globals()[n * 3] = f\n"
            "  for _ in range(40): f.write(b'x' * 2**20)\ntime.sleep(60)",
            60,
            "disk",
            "the workload wrote more than 64Mi to disk",
        ),
        (
            "f = open('file', 'wb', 0)\nwhile True: f.write(b'x' * 2**20)",
            60,
            "disk",
            "script line 2: OSError: [Errno 27] File too large",
        ),
        (
            "class E(Exception):\n  def __str__(self):\n    while True: pass\nraise E",
            3,
            "time",
            "the workload took longer",
        ),
    ],
)
def test_it_ends_with_a_clear_error(pod: Sandbox, script: str, timeout: int, kind: str, error: str) -> None:
    outcome = end_of(pod, script, timeout)
    assert outcome["error"].startswith(error)
    assert (outcome["state"], outcome["error_kind"]) == ("failed", kind)
    assert len(pod.output) <= MIB


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(f"{DAEMON}\n{GOOD}", id="leaves a process behind"),
        pytest.param(
            "import threading, time, atexit\nthreading.Thread(target=time.sleep, args=(900,)).start()\n"
            f"atexit.register(time.sleep, 900)\n{GOOD}",
            id="leaves a thread and something to do at exit",
        ),
        pytest.param(
            "import os, signal\nfor n in (1, 2, 9, 10, 15, 17, 19) * 50:\n  os.kill(1, n)\n" + GOOD,
            id="signals the supervisor",
        ),
        pytest.param(f"import os\nos.close(1)\nos.close(2)\nos.close(0)\n{GOOD}", id="closes its output"),
        pytest.param(f"import sys\nsys.stdout = sys.stderr = None\n{GOOD}", id="removes its streams"),
        pytest.param(f"import sys\nassert sys.stdin.read() == ''\n{GOOD}", id="reads its input"),
        pytest.param(f"import os\nos.write(1, bytes(range(256)))\n{GOOD}", id="prints what is no text"),
        pytest.param(f"import sys\n{GOOD}\nsys.exit()", id="ends itself with a result"),
        pytest.param(
            "import socket, os\nport = int(os.environ['ICEFIELD_SANDBOX_PORT'])\n"
            f"held = [socket.create_connection(('127.0.0.1', port)) for _ in range(80)]\n{GOOD}",
            id="holds all connections",
        ),
    ],
)
def test_it_does_no_harm(pod: Sandbox, script: str) -> None:
    outcome = end_of(pod, script)
    assert (outcome["state"], outcome["row_count"]) == ("succeeded", 1), outcome


def test_an_outcome_that_is_forged_is_about_itself_only(pod: Sandbox) -> None:
    forged = {
        "state": "succeeded",
        "row_count": 7,
        "execution_milliseconds": 1,
        "result": {"key": "workspaces/other/runs/x/result.arrow", "bytes": 9},
        "saved": {"table": "other.table", "rows_written": 9, "mode": "append"},
        "more": "than asked",
    }
    script = f"""
import json, os, time
line = json.dumps({forged!r}).encode() + b'\\n'
for n in range(3, 20):
    try: os.write(n, line)
    except OSError: pass
time.sleep(60)
"""
    outcome = end_of(pod, script)
    assert outcome["result"]["key"].startswith(f"workspaces/{SLUG}/runs/")
    assert outcome["saved"] is None
    assert "more" not in outcome
