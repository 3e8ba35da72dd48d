"""What the real API server makes of the CRDs: which resources it refuses, and in which words."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from icefield_cluster.commands import CommandError
from icefield_crds.execution import MAX_DEPENDENCIES, MAX_TASKS
from tests.controlplane import ControlPlane

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    return control_plane


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    name = f"icefield-crds-{secrets.token_hex(3)}"
    plane.kubectl("create", "namespace", name)
    return name


def _document(kind: str, spec: dict[str, Any], namespace: str | None, name: str = "") -> str:
    metadata = {"name": name or f"x-{secrets.token_hex(3)}", "namespace": namespace}
    return json.dumps({"apiVersion": "icefield.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


def _apply(
    plane: ControlPlane, kind: str, spec: dict[str, Any], namespace: str | None, name: str = ""
) -> dict[str, Any]:
    document = _document(kind, spec, namespace, name)
    applied = plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", "-o", "json", stdin=document)
    stored: dict[str, Any] = json.loads(applied)
    return stored


TASK = {"key": "a", "command": "true"}
POLARS = {"polars": {"query": "SELECT 1 AS n FROM t", "tables": [{"alias": "t", "table": "db.t"}]}}
SPARK = {"spark": {"sql": {"query": "SELECT 1"}}}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({}, "a job has either a command or tasks"),
        ({"command": "true", "tasks": [TASK]}, "a job has either a command or tasks"),
        ({"command": "true", "maintenance": {"database": "sales"}}, "a job has either a command or tasks, or maint"),
        ({"maintenance": {"database": "sales"}, "image": "i"}, "go with a command or tasks, not with maintenance"),
        ({"maintenance": {"database": "sales", "orphanFileRemoval": {"olderThanHours": 1}}}, "equal to 24"),
        ({"maintenance": {"table": "orders"}}, "spec.maintenance.database: Required value"),
        ({"tasks": [{**TASK, "dependsOn": ["b"]}]}, "dependsOn names a task that does not exist"),
        ({"tasks": [{**TASK, "dependsOn": ["a"]}]}, "a task cannot depend on itself"),
        ({"tasks": [{"key": "no spaces", "command": "true"}]}, "spec.tasks[0].key"),
        ({"tasks": [{"key": "a"}]}, "spec.tasks[0].command: Required value"),
        ({"command": "true", "maxRetries": -1}, "should be greater than or equal to 0"),
        ({"command": "true", "files": [{"path": "../etc/passwd", "content": ""}]}, "spec.files[0].path"),
        ({"command": "true", "env": [{"name": "A", "value": "x", "valueFrom": {}}]}, "either value or valueFrom"),
    ],
)
def test_a_bad_job_is_refused_with_a_sentence(
    plane: ControlPlane, namespace: str, spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError, match=re.escape(sentence)):
        _apply(plane, "Job", spec, namespace)


def test_two_tasks_of_one_key_are_refused(plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(CommandError, match=r"(?i)duplicate"):
        _apply(plane, "Job", {"tasks": [TASK, TASK]}, namespace)


def test_the_largest_dag_is_accepted(plane: ControlPlane, namespace: str) -> None:
    tasks = [
        {"key": f"t{n}", "command": "true", "dependsOn": [f"t{m}" for m in range(max(0, n - MAX_DEPENDENCIES), n)]}
        for n in range(MAX_TASKS)
    ]
    assert len(_apply(plane, "Job", {"tasks": tasks}, namespace)["spec"]["tasks"]) == MAX_TASKS


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"command": "false"}, "command of a run cannot be changed"),
        ({"jobRef": {"name": "other"}}, "jobRef of a run cannot be changed"),
        ({"params": {"day": "2"}}, "params of a run cannot be changed"),
        ({"maxRetries": 3}, "maxRetries of a run cannot be changed"),
    ],
)
def test_a_run_is_immutable(plane: ControlPlane, namespace: str, change: dict[str, Any], sentence: str) -> None:
    spec = {"command": "true", "params": {"day": "1"}}
    _apply(plane, "Run", spec, namespace, "fixed")
    with pytest.raises(CommandError, match=sentence):
        _apply(plane, "Run", spec | change, namespace, "fixed")


def test_a_run_can_be_cancelled_for_good(plane: ControlPlane, namespace: str) -> None:
    _apply(plane, "Run", {"command": "true"}, namespace, "stopped")
    _apply(plane, "Run", {"command": "true", "desiredState": "cancelled"}, namespace, "stopped")
    with pytest.raises(CommandError, match="a cancelled run cannot be set going again"):
        _apply(plane, "Run", {"command": "true", "desiredState": "running"}, namespace, "stopped")


@pytest.mark.parametrize("spec", [{}, {"jobRef": {"name": "x"}, "command": "true", "tasks": [TASK]}])
def test_a_run_needs_one_thing_to_run(plane: ControlPlane, namespace: str, spec: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"a run (needs|has either)"):
        _apply(plane, "Run", spec, namespace)


@pytest.mark.parametrize(
    ("workload", "field"),
    [
        *((POLARS, field) for field in ("image", "flavor", "env", "files", "params", "maxRetries")),
        *((SPARK, field) for field in ("image", "flavor", "files")),
    ],
)
def test_what_a_workload_has_no_use_for_is_refused(
    plane: ControlPlane, namespace: str, workload: dict[str, Any], field: str
) -> None:
    given = {
        "image": "x",
        "flavor": "small",
        "env": [{"name": "A", "value": "1"}],
        "files": [{"path": "a", "content": ""}],
        "params": {"a": "1"},
        "maxRetries": 1,
    }
    _apply(plane, "Run", workload | {"timeoutSeconds": 60, "files": []}, namespace, f"fits-{next(iter(workload))}")
    with pytest.raises(CommandError, match="go with a command or tasks"):
        _apply(plane, "Run", workload | {field: given[field]}, namespace)


@pytest.mark.parametrize("name", ["default", "platform", "system", "1st", "a" * 41])
def test_workspace_names_that_mean_something_else_are_refused(plane: ControlPlane, name: str) -> None:
    with pytest.raises(CommandError, match=r"reserved|name"):
        _apply(plane, "Workspace", {}, None, name)


def test_examples_apply_and_applying_twice_changes_nothing(plane: ControlPlane) -> None:
    plane.kubectl("create", "namespace", "icefield-demo")
    for path in sorted(EXAMPLES.glob("*.yaml")):
        if "generateName" in yaml.safe_load(path.read_text())["metadata"]:
            assert "created" in plane.kubectl("create", "-f", str(path))
            continue
        first = plane.kubectl("apply", "--server-side", "-f", str(path), "-o", "jsonpath={.metadata.resourceVersion}")
        again = plane.kubectl("apply", "--server-side", "-f", str(path), "-o", "jsonpath={.metadata.resourceVersion}")
        assert again == first, path.name
        assert "unchanged" in plane.kubectl("apply", "-f", str(path)) + plane.kubectl("apply", "-f", str(path))


def test_kubectl_shows_and_explains(plane: ControlPlane, namespace: str) -> None:
    _apply(plane, "Run", {"jobRef": {"name": "nightly"}}, namespace, "shown")
    assert plane.kubectl("-n", namespace, "get", "runs.icefield.dev").split()[:7] == [
        "NAME",
        "JOB",
        "STATUS",
        "TASKS",
        "STARTED",
        "FINISHED",
        "AGE",
    ]
    assert "shown" in plane.kubectl("-n", namespace, "get", "icefield")
    assert "how often a failed task" in plane.kubectl("explain", "jobs.icefield.dev.spec.tasks.maxRetries").lower()
