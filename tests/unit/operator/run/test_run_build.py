"""The children of a run: whole manifests against golden files, and what is easily got wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.utils.config import Config
from tests.golden import assert_golden

from icefield_crds import Flavor, Run, Task
from icefield_operator.run import build, resolve

GOLDEN = Path(__file__).parent / "golden"
IMAGES = build.TaskImages("localhost/icefield/runtime:1", "localhost/icefield/tini:1", "IfNotPresent")
UID = "11111111-2222-3333-4444-555555555555"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

SMALL = Flavor.model_validate(
    {"metadata": {"name": "cpu.1"}, "spec": {"cpu": 1, "memory": "1Gi", "requests": {"cpu": "100m"}}}
)
GPU = Flavor.model_validate(
    {
        "metadata": {"name": "gpu.a100"},
        "spec": {
            "cpu": "8",
            "memory": "64Gi",
            "gpu": 1,
            "nodeSelector": {"accelerator": "a100"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
        },
    }
)


def _run(**spec: Any) -> Run:
    metadata = {"name": "daily-x7", "namespace": "icefield-demo", "uid": UID}
    return Run.model_validate({"metadata": metadata, "spec": spec})


def _around(run: Run) -> build.RunPodContext:
    assert run.execution is not None
    return build.RunPodContext(run, run.execution, "demo", "w", "https://api.example", IMAGES)


def _pod(run: Run, attempt: int = 0, flavor: Flavor = SMALL, deadline: int | None = None) -> dict[str, Any]:
    around = _around(run)
    (task,) = resolve.tasks_of(around.execution, None)
    return build.pod(around, task, attempt, flavor, deadline)


FULL = _run(
    tasks=[
        {
            "key": "transform",
            "command": "python tx.py --day $PARAM_DAY",
            "env": [
                {"name": "MODE", "value": "fast"},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "a"}}},
            ],
        }
    ],
    env=[{"name": "MODE", "value": "slow"}, {"name": "REGION", "value": "eu"}],
    files=[{"path": "tx.py", "content": "print(1)"}, {"path": "lib/a.py", "content": ""}],
    params={"day": "monday", "with-dash": "x"},
)
CASES = {
    "runtime-image": lambda: _pod(FULL, attempt=2, deadline=1800),
    "foreign-image": lambda: _pod(_run(command="echo hi", image="docker.io/library/alpine:3"), flavor=GPU),
    "token-secret": lambda: build.token_secret(FULL, "demo", "daily-1-tokens", {build.task_token_key("tx"): "a.b.c"}),
    "files-config-map": lambda: build.files_config_map(FULL, "demo", FULL.spec),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.yaml", CASES[name]())


def _expand(text: str, variables: dict[str, str]) -> str:
    """What Kubernetes makes of a value (third_party/forked/golang/expansion/expand.go)."""
    return re.sub(
        r"\$(\$|\(([^)]*)\)|)",
        lambda m: "$" if m[1] in ("$", "") else variables.get(m[2], m[0]),
        text,
    )


@pytest.mark.parametrize("text", ["echo $(date)", "kill $$", "$$$(A)$", "a$A ${A} $((1+1))", "$(HOME)"])
def test_the_shell_sees_the_command_as_written(text: str) -> None:
    container = _pod(_run(command=text, params={"p": text}))["spec"]["containers"][0]
    variables = {"A": "wrong", "HOME": "wrong", "date": "wrong"}
    assert (
        _expand(container["command"][-1], variables)
        == build.preparation(_around(FULL), Task(key="a", command="b")) + text
    )
    env = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    assert _expand(env["PARAM_P"], variables) == text
    assert json.loads(_expand(env["ICEFIELD_PARAMS"], variables)) == {"p": text}


def test_the_platforms_own_variables_win_over_the_users() -> None:
    env = [{"name": "POLNOR_TOKEN", "value": "forged"}, {"name": "HOME", "value": "/mine"}]
    variables = _pod(_run(command="true", env=env))["spec"]["containers"][0]["env"]
    names = [variable["name"] for variable in variables]
    assert len(names) == len(set(names))
    found = {variable["name"]: variable for variable in variables}
    assert "valueFrom" in found["POLNOR_TOKEN"]
    assert found["HOME"]["value"] == "/mine"


def test_pyiceberg_finds_the_workspaces_catalog_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = _pod(_run(command="true"))["spec"]["containers"][0]["env"]
    found = {variable["name"]: variable for variable in variables}
    assert found["PYICEBERG_CATALOG__DEFAULT__TOKEN"]["valueFrom"] == found["POLNOR_TOKEN"]["valueFrom"]
    for name, variable in found.items():
        monkeypatch.setenv(name, variable.get("value", "secret"))
    config = Config()
    assert config.get_catalog_config(config.get_default_catalog_name()) == {
        "type": "rest",
        "uri": "https://api.example/iceberg",
        "warehouse": "demo",
        "token": "secret",
    }


def test_the_restricted_level_is_met() -> None:
    pod = CASES["foreign-image"]()["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["containers"], *pod["initContainers"]]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert set(container["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize(
    ("task", "run_left", "expected"),
    [(None, None, None), (60, None, 60), (None, 30.2, 31), (60, 30, 30), (10, 30, 10), (None, -5, 1)],
)
def test_the_deadline_is_the_nearer_of_the_two(task: int | None, run_left: float | None, expected: int | None) -> None:
    deadline = None if run_left is None else NOW + timedelta(seconds=run_left)
    assert build.deadline_seconds(Task(key="a", command="x", timeout_seconds=task), deadline, NOW) == expected


@pytest.mark.parametrize(("given", "expected"), [({}, "wh_1"), ({"POLNOR_WAREHOUSE_ID": "wh_2"}, "wh_2")])
def test_a_command_finds_the_default_warehouse_unless_it_was_given_another(
    given: dict[str, str], expected: str
) -> None:
    context = replace(_around(FULL), warehouse_id="wh_1")
    script = build.preparation(context, Task(key="a", command="b")) + 'printf %s "$POLNOR_WAREHOUSE_ID"'
    assert (
        subprocess.run(
            ["sh", "-c", script], env={**given, "PATH": os.environ["PATH"]}, capture_output=True, check=True
        ).stdout.decode()
        == expected
    )
