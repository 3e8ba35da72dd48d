"""Runs of three tasks while everything that they need is killed, and an account of what came of them.

The test of this folder does it in small; in full, on a cluster that is up (see docs/testing.md):

    .venv/bin/python -m tests.chaos.disturbed_runs --state-dir .icefield/icefield --runs 100 --kills 20 --away 60
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential
from tests.chaos import killing
from tests.chaos.lost_node import FLAVOR, PODS, LostNode
from tests.e2e.scenarios import ENDED, NAMESPACE, Scenario
from tests.kubernetes_client import RUNS
from tests.platform import of

from icefield_cluster.standalone.layout import NODE_NAME
from icefield_crds import labels

LINES = 200
SCRIPT = f"""
import os, time
print("started", os.environ["ICEFIELD_POD_UID"], flush=True)
for n in range({LINES}):
    print("line", n, flush=True)
    time.sleep(0.02)
"""
TASKS = [
    {"key": "a", "command": "python task.py"},
    {"key": "b", "command": "python task.py", "depends_on": ["a"]},
    {"key": "c", "command": "python task.py", "depends_on": ["b"]},
]


@dataclass(frozen=True)
class Size:
    """How much is started, and how much goes wrong meanwhile.

    Args:
        runs: how many runs of three tasks.
        kills: of operator, API server and kube-apiserver, in all.
        deletions: how many pods with a running task are deleted.
        node_pods: how many pods are on the node that is lost.
        away: for how many seconds the object store is away.
        pause: seconds between two disturbances.
    """

    runs: int
    kills: int
    deletions: int
    node_pods: int
    away: float
    pause: float


SMALL = Size(runs=6, kills=3, deletions=2, node_pods=2, away=10, pause=3)


@dataclass
class Account:
    """What came of it: every list is to be empty."""

    runs: int = 0
    attempts: int = 0
    disrupted: int = 0
    not_successful: list[str] = field(default_factory=list)
    started_otherwise: list[str] = field(default_factory=list)
    lines_missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Everything that is not as it should be."""
        return self.not_successful + self.started_otherwise + self.lines_missing


class PatientRest:
    """A REST client as programs are that outlast an outage: no answer, or a 5xx, is asked again for some minutes."""

    def __init__(self, client: httpx.Client, patience: float = 240) -> None:
        self._client = client
        self._retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            wait=wait_exponential(multiplier=0.2, max=3),
            stop=stop_after_delay(patience),
            reraise=True,
        )

    def get(self, path: str) -> Any:
        return self._retrying(lambda: self._client.get(path).raise_for_status().json())

    def post(self, path: str, body: Any) -> Any:
        return self._retrying(lambda: self._client.post(path, json=body).raise_for_status().json())


class Witness:
    """Notes which pods had a started container, independently of what the operator records."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._ended = threading.Event()
        self.started: dict[tuple[str, str, int], set[str]] = defaultdict(set)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the pods again and again while the context lasts."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            with suppress(httpx.HTTPError):
                for pod in self._scenario.cluster.list(PODS, NAMESPACE, f"{labels.RUN},{labels.TASK}"):
                    self._note(pod)

    def _note(self, pod: dict[str, Any]) -> None:
        states = [status["state"] for status in pod["status"].get("containerStatuses", [])]
        if any("running" in state or "terminated" in state for state in states):
            mine = pod["metadata"]["labels"]
            key = (mine[labels.RUN], mine[labels.TASK], int(mine[labels.ATTEMPT]))
            self.started[key].add(pod["metadata"]["uid"])


def run_disturbed(scenario: Scenario, size: Size, note: Callable[[str], None] = print) -> Account:
    """Start runs, disturb them, wait for their ends, and account for each task, attempt and line."""
    began = time.monotonic()
    rest, witness = PatientRest(scenario.rest), Witness(scenario)
    quota = {"spec": {"quotas": {"maxRunningRuns": 2 * size.runs}}}
    scenario.kubectl("patch", "workspaces.icefield.dev", "demo", "--type=merge", "-p", json.dumps(quota))
    node = LostNode(scenario.cluster, f"lost-{secrets.token_hex(3)}", size.node_pods)
    node.join()
    try:
        with witness.watching():
            files = {"task.py": SCRIPT}
            job = rest.post(
                "/jobs", {"name": f"chaos-{secrets.token_hex(4)}", "files": files, "flavor": FLAVOR, "tasks": TASKS}
            )
            disturbing = threading.Thread(target=_disturb, args=(scenario, size, node, note), daemon=True)
            disturbing.start()
            for _ in range(size.runs):
                rest.post(f"/jobs/{job['id']}/run", {})
            disturbing.join()
            note("all disturbances are over; waiting for the runs")
            runs = _ended_runs(scenario, job["name"], size, note)
    finally:
        node.remove()
    account = _account(rest, runs, witness)
    account.seconds = time.monotonic() - began
    return account


def _disturb(scenario: Scenario, size: Size, node: LostNode, note: Callable[[str], None]) -> None:
    kills = [killing.kill_operator, killing.kill_api_server, killing.kill_kube_apiserver]
    steps: list[Callable[[], None]] = [
        *(lambda kill=kill: kill(scenario) for kill in itertools.islice(itertools.cycle(kills), size.kills)),
        *(lambda: _delete_one(scenario) for _ in range(size.deletions)),
        node.lose,
        lambda: killing.restart_postgres(scenario),
        lambda: killing.take_object_store_away(scenario),
    ]
    names = [*("kill",) * size.kills, *("delete",) * size.deletions, "lose the node", "Postgres", "object store"]
    order = list(zip(names, steps, strict=True))
    random.shuffle(order)
    back: threading.Timer | None = None
    for name, step in order:
        time.sleep(size.pause)
        note(f"disturbance: {name}")
        _insist(step)
        if name == "object store":
            back = threading.Timer(size.away, lambda: _insist(lambda: killing.bring_object_store_back(scenario)))
            back.start()
        if name == "lose the node":
            _insist(node.remove)
    if back:
        back.join()


def _delete_one(scenario: Scenario) -> None:
    deadline = time.monotonic() + 60
    while not (pods := killing.running_task_pods(scenario, NAMESPACE, NODE_NAME)) and time.monotonic() < deadline:
        time.sleep(0.5)
    if pods:
        scenario.kubectl("-n", NAMESPACE, "delete", "pod", random.choice(pods), "--wait=false", "--ignore-not-found")  # noqa: S311


def _insist(step: Callable[[], None]) -> None:
    """Do it, again if kube-apiserver was away just then."""
    Retrying(wait=wait_exponential(multiplier=0.5, max=5), stop=stop_after_delay(120), reraise=True)(step)


def _ended_runs(scenario: Scenario, job: str, size: Size, note: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the job's runs once all have ended; a POST that was repeated may have made more than were asked for."""
    deadline, last = time.monotonic() + 300 + 20 * size.runs, -1
    while True:
        with suppress(httpx.HTTPError):
            runs = scenario.cluster.list(RUNS, NAMESPACE, f"{labels.JOB}={job}")
            left = [run for run in runs if run.get("status", {}).get("phase") not in ENDED]
            if len(runs) >= size.runs and not left:
                return runs
            if len(left) != last:
                note(f"{len(left)} of {len(runs)} runs have not ended")
                last = len(left)
            assert time.monotonic() < deadline, [(run["metadata"]["name"], run.get("status")) for run in left]
        time.sleep(1)


def _account(rest: PatientRest, runs: list[dict[str, Any]], witness: Witness) -> Account:
    account = Account(runs=len(runs))
    for run in runs:
        name, status = run["metadata"]["name"], run["status"]
        if status["phase"] != "success":
            account.not_successful.append(f"{name}: {status['phase']}: {status.get('error')}")
        for task in status["tasks"]:
            lines = rest.get(f"/runs/{name}/tasks/{task['key']}/logs")
            _account_for_task(account, name, task, lines, witness)
    return account


def _account_for_task(
    account: Account, run: str, task: dict[str, Any], lines: list[dict[str, Any]], witness: Witness
) -> None:
    attempts = task.get("attempts", [])
    account.attempts += len(attempts)
    numbers = {attempt["attempt"] for attempt in attempts}
    unknown = {line["attempt"] for line in lines} - numbers
    seen = {number for (of_run, key, number) in witness.started if (of_run, key) == (run, task["key"])}
    if unknown or not seen <= numbers:
        account.started_otherwise.append(f"{run}/{task['key']}: attempts {unknown | seen - numbers} are not recorded")
    for attempt in attempts:
        place, uid = f"{run}/{task['key']}/{attempt['attempt']}", attempt.get("podUid")
        account.disrupted += bool(attempt.get("disrupted"))
        pods = witness.started.get((run, task["key"], attempt["attempt"]), set())
        if uid is None and attempt.get("disrupted") and len(pods) == 1:
            # It says itself that it is not known whether it ran: its pod went while no operator did.
            (uid,) = pods
        if not pods <= {uid}:
            account.started_otherwise.append(f"{place}: pods {sorted(pods)} started, and {uid} is recorded")
        # What was taken away with its node or its pod may lack its end, and says so itself.
        own = [line for line in lines if line["attempt"] == attempt["attempt"] and not line.get("gap")]
        messages = [line["message"] for line in own]
        wanted = [f"started {uid}", *(f"line {n}" for n in range(LINES))]
        is_whole = messages == wanted
        is_beginning = attempt["status"] != "success" and _is_beginning(messages, wanted)
        if not (is_whole or is_beginning):
            found = _first_difference(lines, attempt["attempt"], wanted)
            account.lines_missing.append(f"{place} ({attempt['status']}): {len(messages)} lines, {found}")


def _is_beginning(messages: list[str], wanted: list[str]) -> bool:
    """Return whether a task that was ended printed the beginning: its last line may be cut, and the shell reports the
    signal that ended its child."""
    printed = [message for message in messages if message != "Terminated"]
    whole = printed[:-1]
    is_next = len(printed) <= len(wanted) and wanted[len(whole)].startswith(printed[-1] if printed else "")
    return is_next and whole == wanted[: len(whole)]


def _first_difference(lines: list[dict[str, Any]], attempt: int, wanted: list[str]) -> str:
    """Return where the lines of an attempt are not the wanted ones first, marked gaps and those around it included."""
    messages = [line["message"] for line in lines if line["attempt"] == attempt]
    place = next((n for n, (one, other) in enumerate(zip(messages, wanted, strict=False)) if one != other), len(wanted))
    return f"from {place} on {messages[max(place - 2, 0) : place + 4]}, the last one {messages[-1:]}"


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code in (404, 429)
    return isinstance(error, httpx.TransportError)


def main() -> None:
    """Do it on a cluster that is up, and print the account."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--state-dir", type=Path, required=True, help="the cluster's folder")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--deletions", type=int, default=20)
    parser.add_argument("--node-pods", type=int, default=8)
    parser.add_argument("--away", type=float, default=60)
    parser.add_argument("--pause", type=float, default=6)
    options = parser.parse_args()
    size = Size(options.runs, options.kills, options.deletions, options.node_pods, options.away, options.pause)
    account = run_disturbed(Scenario(of(options.state_dir.resolve())), size, lambda text: print(text, flush=True))
    print(json.dumps(vars(account), indent=2))
    raise SystemExit(bool(account.faults))


if __name__ == "__main__":
    main()
