"""`icefield dev`: the operator and the API server of the checkout take the place of the cluster's own, and leave it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.chaos.killing import SYSTEM, wait_until_back
from tests.e2e.scenarios import Scenario
from tests.platform import Platform
from tests.statements import Sql
from tests.workloads import Workloads

pytestmark = pytest.mark.e2e

PORT = 8643
START_SECONDS = 120
END_SECONDS = 120
DEPLOYMENTS = ("icefield-operator", "icefield-apiserver")


def url_told_in(log: Path) -> str | None:
    """Return the address that `icefield dev` printed."""
    match = re.search(r"from the checkout: (https://[^/\s]+)/docs", log.read_text())
    return match.group(1) if match else None


def wait_until_ready(platform: Platform) -> None:
    """Wait until the API server of a platform answers that it is ready."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            with platform.client() as rest:
                if rest.get(f"{platform.api_url}/readyz").is_success:
                    return
        except httpx.TransportError:
            pass
        assert time.monotonic() < give_up, "the API server from the checkout is not ready"
        time.sleep(0.5)


@pytest.fixture
def development(platform: Platform, sql: Sql, tmp_path: Path) -> Iterator[Platform]:
    """The platform, its API at the server from the checkout; the cluster's own is back afterwards."""
    log = tmp_path / "dev.log"
    place = ["--name", platform.name, "--state-dir", platform.state.directory, "--port", str(PORT)]
    scenario = Scenario(platform)
    with ExitStack() as stack:
        output = stack.enter_context(log.open("w"))
        argv = [Path(sys.executable).with_name("icefield"), "dev", *place]
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        try:
            give_up = time.monotonic() + START_SECONDS
            while (url := url_told_in(log)) is None:
                assert process.poll() is None and time.monotonic() < give_up, log.read_text()
                time.sleep(0.2)
            running = replace(platform, api_url=url)
            wait_until_ready(running)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=END_SECONDS)
            for name in DEPLOYMENTS:
                wait_until_back(scenario, name)
    assert process.returncode == 0, log.read_text()


def test_runs_statements_and_workloads_work_from_the_checkout(development: Platform, sql: Sql) -> None:
    scenario = Scenario(development)
    for name in DEPLOYMENTS:
        replicas = scenario.kubectl("-n", SYSTEM, "get", "deployment", name, "-o", "jsonpath={.spec.replicas}")
        assert replicas == "0"
    assert Sql(development.client(), sql.warehouse).rows("SELECT 1 AS one") == [[1]]
    assert Workloads(development).rows("result = pl.DataFrame({'n': [1]})") == [[1]]
