"""DuckDB's process ends while statements run: what is lost with it, and what is not."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .pod import Pod
from .test_gateway import ENDLESS

pytestmark = pytest.mark.integration

MODULE = "icefield_engines.warehouse.duck"


@pytest.fixture
def pod(pods: Callable[..., Pod]) -> Iterator[Pod]:
    """A gateway of a test's own: what it has seen crash it does not forget."""
    pod = pods(ICEFIELD_SPARK="false", ICEFIELD_MEMORY_LIMIT_BYTES=str(1024 * 1024 * 1024), ICEFIELD_CPU_LIMIT="2")
    pod.start(spark=False)
    yield pod
    pod.stop()


def _wait_until_running(pod: Pod, *statements: dict[str, Any]) -> None:
    give_up = time.monotonic() + 30
    while not all(pod.wait(state, 0)["status"] == "running" for state in statements):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def _crash(pod: Pod, *running: dict[str, Any]) -> list[dict[str, Any]]:
    """End DuckDB's process while statements run; return their states afterwards."""
    _wait_until_running(pod, *running)
    time.sleep(0.3)
    (child,) = pod.gateway.children(MODULE)
    child.send_signal(signal.SIGSEGV)
    return [pod.wait(state, 20) for state in running]


def test_what_brought_duckdb_down_is_not_given_to_it_again(pod: Pod) -> None:
    (ended,) = _crash(pod, pod.begin(ENDLESS))
    assert ended["error"] == {
        "code": "ENGINE_CRASHED",
        "message": "DuckDB's process was ended by SIGSEGV while it ran this statement.",
    }
    assert pod.rows("SELECT 42 AS a").column("a").to_pylist() == [42]
    assert pod.error(ENDLESS)["code"] == "ENGINE_CRASHED"
    assert pod.client.get("/livez").is_success
    assert pod.status()["duckdb"] is True


def test_others_that_ran_beside_it_may_run_again(pod: Pod) -> None:
    others = [f"{ENDLESS} -- {number}" for number in range(2)]
    for ended in _crash(pod, *(pod.begin(sql) for sql in (ENDLESS, *others))):
        assert ended["error"]["code"] == "ENGINE_CRASH_SUSPECTED"
    again = [pod.begin(sql) for sql in others]
    _wait_until_running(pod, *again)
    for state in again:
        pod.client.post(f"/statements/{state['id']}/cancel", params={"wait": 20}).raise_for_status()


def test_a_statement_under_which_it_ended_twice_counts_as_the_cause(pod: Pod) -> None:
    for number, code in enumerate(("ENGINE_CRASH_SUSPECTED", "ENGINE_CRASHED")):
        ended, _ = _crash(pod, pod.begin(ENDLESS), pod.begin(f"{ENDLESS} -- {number}"))
        assert ended["error"]["code"] == code


def test_an_end_while_nothing_runs_harms_nobody(pod: Pod) -> None:
    for _ in range(3):
        _crash(pod)
        assert pod.rows("SELECT 42 AS a").column("a").to_pylist() == [42]


def test_a_result_that_is_half_read_is_not_taken_for_whole(pod: Pod) -> None:
    (ended,) = _crash(pod, pod.begin("SELECT range, hash(range) FROM range(2000000000)"))
    assert ended["error"]["code"] == "ENGINE_CRASHED"
    with pytest.raises(pod.store.exceptions.NoSuchKey):
        pod.stored(f"{pod.site.environment['ICEFIELD_PREFIX']}/results/{ended['id']}.arrow")


def test_duckdb_ends_with_its_gateway(pod: Pod) -> None:
    (child,) = pod.gateway.children(MODULE)
    pod.gateway.signal(signal.SIGKILL)
    child.wait(10)


def test_the_tokens_of_the_gateway_are_not_duckdbs(pod: Pod) -> None:
    (child,) = pod.gateway.children(MODULE)
    variables = child.environ()
    assert "ICEFIELD_GATEWAY_TOKEN" in pod.gateway.environment
    assert not {"ICEFIELD_GATEWAY_TOKEN", "ICEFIELD_CATALOG_TOKEN"} & variables.keys()
