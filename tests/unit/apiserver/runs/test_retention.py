"""Which ended runs leave Kubernetes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_apiserver.core.kube.ended_runs import EndedRun, ended_run_of
from icefield_apiserver.features.runs.retention import due_to_leave
from icefield_crds import Run
from icefield_crds.workspace import RunRetention

NOW = datetime(2026, 6, 30, tzinfo=UTC)
PLENTY = 1000


def ended(name: str, days: float, *, namespace: str = "a", job: str | None = None, is_ready: bool = True) -> EndedRun:
    at = NOW - timedelta(days=days)
    return EndedRun(at, name, namespace, job, at, is_ready)


@pytest.mark.parametrize(
    ("runs", "retentions", "at_most", "expected"),
    [
        pytest.param([ended("old", 8), ended("new", 6)], {"a": RunRetention()}, PLENTY, ["old"], id="by-age"),
        pytest.param(
            [ended("third", 1), ended("first", 3), ended("second", 2)],
            {"a": RunRetention(count=1)},
            PLENTY,
            ["first", "second"],
            id="by-count-the-oldest-first",
        ),
        pytest.param(
            [ended("old", 9), ended("middle", 2), ended("new", 1)],
            {"a": RunRetention(count=2)},
            PLENTY,
            ["old"],
            id="what-is-old-counts-as-gone",
        ),
        pytest.param(
            [ended("kept", 9, is_ready=False), ended("second", 2), ended("third", 1)],
            {"a": RunRetention(count=2)},
            PLENTY,
            ["second"],
            id="one-that-is-not-ready-stays-and-counts",
        ),
        pytest.param(
            [ended("first", 9, job="etl"), ended("last", 8, job="etl"), ended("other", 8, job="report")],
            {"a": RunRetention(count=0)},
            0,
            ["first"],
            id="the-last-run-of-a-job-stays",
        ),
        pytest.param(
            [ended("a1", 3), ended("b1", 2, namespace="b"), ended("a2", 1)],
            {"a": RunRetention(), "b": RunRetention()},
            1,
            ["a1", "b1"],
            id="over-all-workspaces",
        ),
        pytest.param(
            [ended("a1", 99), ended("gone", 99, namespace="b")],
            {"a": RunRetention()},
            0,
            ["a1"],
            id="not-of-a-workspace-that-is-going",
        ),
        pytest.param(
            [ended("a1", 3), ended("b1", 2, namespace="b")],
            {"a": RunRetention(days=2), "b": RunRetention(count=0)},
            PLENTY,
            ["a1", "b1"],
            id="each-workspace-has-its-own",
        ),
    ],
)
def test_which_runs_are_due(
    runs: list[EndedRun], retentions: dict[str, RunRetention], at_most: int, expected: list[str]
) -> None:
    assert [run.uid for run in due_to_leave(runs, retentions, at_most, NOW)] == expected


def test_of_runs_of_one_second_the_one_that_lists_show_first_stays() -> None:
    runs = [ended("b", 9, job="etl"), ended("a", 9, job="etl"), ended("c", 9, job="etl")]
    assert [run.uid for run in due_to_leave(runs, {"a": RunRetention()}, PLENTY, NOW)] == ["b", "c"]


def run(phase: str = "success", *, archived: bool = True, observed: int = 1, **metadata: Any) -> Run:
    attempt = {"attempt": 0, "podName": "p", "status": "success", "logsArchived": archived}
    return Run.model_validate(
        {
            "metadata": {
                "name": "r",
                "namespace": "a",
                "uid": "u",
                "generation": 1,
                "creationTimestamp": NOW,
                **metadata,
            },
            "spec": {"command": "true", "jobRef": {"name": "etl"}},
            "status": {
                "phase": phase,
                "observedGeneration": observed,
                "completionTime": NOW,
                "tasks": [{"key": "main", "status": "success", "attempts": [attempt]}],
            },
        }
    )


@pytest.mark.parametrize(
    ("of", "is_ready"),
    [
        pytest.param(run(), True, id="finished-with"),
        pytest.param(run(archived=False), False, id="logs-not-archived"),
        pytest.param(run(observed=0), False, id="spec-not-observed"),
        pytest.param(run(deletionTimestamp=NOW), False, id="being-deleted"),
        pytest.param(run(labels={"kustomize.toolkit.fluxcd.io/name": "runs"}), False, id="declared-with-flux"),
        pytest.param(run(annotations={"argocd.argoproj.io/tracking-id": "x"}), False, id="declared-with-argo"),
    ],
)
def test_which_runs_are_ready_to_leave(of: Run, is_ready: bool) -> None:
    found = ended_run_of(of)
    assert found
    assert (found.is_ready, found.job, found.ended_at) == (is_ready, "etl", NOW)


def test_a_run_that_has_not_ended_is_no_ended_run() -> None:
    assert ended_run_of(run("running")) is None
