"""Which nodes have a working log agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import labels
from icefield_operator.logs.node_agents import GRACE, NodeAgents, is_log_agent

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


def agent(name: str, node: str | None, ready: str | None = "True", age: float = 0) -> dict[str, Any]:
    """Return an agent's pod whose readiness changed so many seconds ago."""
    changed = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": changed}] if ready else []
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": changed,
            "labels": {labels.COMPONENT: labels.LOG_AGENT_COMPONENT},
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"conditions": conditions},
    }


@pytest.mark.parametrize(
    ("ready", "age", "expected"),
    [
        ("True", 9999, True),
        ("False", 59, True),
        ("False", 61, False),
        ("Unknown", 61, False),
        (None, 59, True),
        (None, 61, False),
    ],
)
def test_one_that_is_away_for_long_does_not_work(ready: str | None, age: float, expected: bool) -> None:
    agents = NodeAgents(lambda: [agent("a", "n1", ready, age)], lambda: NOW)
    assert agents.work_on("n1") is expected
    assert not agents.work_on("n2")
    assert not agents.work_on(None)


def test_one_that_is_replaced_works_on() -> None:
    now = NOW
    agents = NodeAgents(list, lambda: now)
    agents.observe(agent("a", "n1"))
    agents.observe_gone("a")
    assert agents.work_on("n1")
    agents.observe(agent("b", None, None))
    agents.observe(agent("b", "n1"))
    now += GRACE
    assert agents.work_on("n1")
    agents.observe_gone("other")
    agents.observe_gone("b")
    assert list(agents.nodes()) == ["n1"]
    now += GRACE
    assert list(agents.nodes()) == []


def test_other_pods_are_no_agents() -> None:
    task = {"metadata": {"name": "t", "labels": {labels.COMPONENT: labels.TASK_COMPONENT}}, "spec": {"nodeName": "n1"}}
    assert not is_log_agent(task)
    agents = NodeAgents(lambda: [task], lambda: NOW)
    assert not agents.work_on("n1")
