"""API server and operator are replaced while clients work: no request fails but some are sent again, no run is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.chaos.killing import SYSTEM, leader, wait_until_back
from tests.e2e.scenarios import NAMESPACE, Scenario
from tests.kubernetes_client import RUNS

from icefield_crds import labels

pytestmark = pytest.mark.chaos

DEPLOYMENTS = ("icefield-apiserver", "icefield-operator")
READERS = 3
RUNS_APART = 0.7
ATTEMPTS = 5


@dataclass
class Tally:
    """What clients saw."""

    answered: int = 0
    sent_again: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)


def ask(client: httpx.Client, tally: Tally, method: str, path: str) -> Any:
    """Send a request as a client does that retries what may be retried; return the answer's body."""
    for _ in range(ATTEMPTS):
        try:
            answer = client.request(method, path)
        except httpx.TransportError as error:
            tally.sent_again.append(f"{method} {path}: {error!r}")
            time.sleep(0.2)
            continue
        if answer.is_success:
            tally.answered += 1
            return answer.json()
        if answer.status_code != 503 or "Retry-After" not in answer.headers:
            tally.failed.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        tally.sent_again.append(f"{method} {path}: 503")
        time.sleep(float(answer.headers["Retry-After"]))
    tally.failed.append(f"{method} {path}: not answered in {ATTEMPTS} attempts")
    return None


@contextmanager
def load(platform: Any, job_id: str) -> Iterator[Tally]:
    """Have clients read, and start runs of a job, while the context lasts."""
    tally, over = Tally(), threading.Event()

    def read() -> None:
        with platform.client() as client:
            while not over.is_set():
                for path in ("/runs?limit=50", f"/jobs/{job_id}"):
                    ask(client, tally, "GET", path)

    def start() -> None:
        with platform.client() as client:
            while not over.wait(RUNS_APART):
                if run := ask(client, tally, "POST", f"/jobs/{job_id}/run"):
                    tally.started.append(run["run_id"])

    threads = [threading.Thread(target=work, daemon=True) for work in (*([read] * READERS), start)]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_rolling_update_fails_no_request_and_loses_no_run(platform: Any) -> None:
    scenario = Scenario(platform)
    job, before = scenario.job(command="true"), leader(scenario)
    with load(platform, job["id"]) as tally:
        for name in DEPLOYMENTS:
            scenario.kubectl("-n", SYSTEM, "rollout", "restart", f"deployment/{name}")
        for name in DEPLOYMENTS:
            wait_until_back(scenario, name)
    assert tally.failed == []
    assert leader(scenario) != before
    assert tally.answered > 20
    assert {scenario.wait(run_id)["status"] for run_id in tally.started} == {"success"}
    # One that was started by a request whose answer was lost ends as well.
    of_job = scenario.cluster.list(RUNS, NAMESPACE, f"{labels.JOB}={job['name']}")
    assert len(tally.started) <= len(of_job) <= len(tally.started) + len(tally.sent_again)
