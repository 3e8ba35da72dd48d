"""The DAG, without a cluster: tasks and attempts in, one step, what starts out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from icefield_crds import AttemptStatus, RunPhase, Task, TaskPhase
from icefield_crds.execution import MAX_ATTEMPTS
from icefield_operator.run import dag

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DISRUPTED = ("disrupted", "unstarted", "unseen")
CASES = yaml.safe_load((Path(__file__).parent / "dag_cases.yaml").read_text())


def _tasks(spec: dict[str, Any]) -> list[Task]:
    return [
        Task(
            key=key,
            command="true",
            depends_on=task.get("after", []),
            max_retries=task.get("retries", 0),
            max_disruption_retries=task.get("disruptions"),
        )
        for key, task in spec.items()
    ]


def _attempts(case: dict[str, Any]) -> dict[str, list[AttemptStatus]]:
    ended = NOW - timedelta(seconds=case.get("ended", 0))
    return {
        key: [
            AttemptStatus(
                attempt=n,
                pod_name=f"{key}-{n}",
                pod_uid=None if phase == "unseen" else f"{key}-{n}",
                status="failed" if phase in DISRUPTED else phase,
                start_time=None if phase in ("pending", "unstarted", "unseen") else ended,
                completion_time=ended,
                disrupted=phase in DISRUPTED,
            )
            for n, phase in enumerate(phases)
        ]
        for key, phases in case.get("attempts", {}).items()
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_one_step(case: dict[str, Any]) -> None:
    decision = dag.decide(
        _tasks(case["tasks"]),
        _attempts(case),
        now=NOW,
        stop=dag.Stop(case["stop"]) if "stop" in case else None,
        settled={key: TaskPhase(phase) for key, phase in case.get("settled", {}).items()},
    )
    expect = case["expect"]
    assert decision.phase == expect["run"]
    assert decision.tasks == expect["tasks"]
    assert [f"{task.key}/{attempt}" for task, attempt in decision.start] == expect.get("start", [])
    assert [attempt.pod_name.replace("-", "/") for attempt in decision.end] == expect.get("end", [])
    soon = (decision.next_deadline - NOW).total_seconds() if decision.next_deadline else None
    assert soon == expect.get("next")


def test_no_attempt_has_a_higher_number_than_a_status_can_record() -> None:
    lost = [
        AttemptStatus(attempt=number, pod_name="p", status=TaskPhase.FAILED, completion_time=NOW, disrupted=True)
        for number in range(MAX_ATTEMPTS)
    ]
    task = Task(key="a", command="true")
    later = NOW + dag.LAST_RETRY_DELAY
    assert dag.decide([task], {"a": lost[:-1]}, now=later).start == [(task, MAX_ATTEMPTS - 1)]
    ended = dag.decide([task], {"a": lost}, now=later)
    assert (ended.phase, ended.start) == (RunPhase.FAILED, [])
