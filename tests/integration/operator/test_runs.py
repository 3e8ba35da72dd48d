"""Runs against a real API server: what the operator makes of them, and what it leaves behind."""

from __future__ import annotations

import base64

import jwt
import pytest

from icefield_crds import ConditionType
from icefield_crds.names import run_token_secret
from tests.eventually import eventually

from .conftest import Place

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("operator")]

PIPELINE = {
    "tasks": [
        {"key": "ingest", "command": "python ingest.py"},
        {"key": "left", "command": "true", "dependsOn": ["ingest"]},
        {"key": "right", "command": "true", "dependsOn": ["ingest"]},
        {"key": "report", "command": "true", "dependsOn": ["left", "right"]},
    ],
    "files": [{"path": "ingest.py", "content": "print('hello')"}],
}


async def test_a_dag_runs_in_order_to_its_end(place: Place) -> None:
    await place.create("Run", PIPELINE, "dag")
    name = await place.started("dag", "ingest")
    run = await place.phase("dag", "running")
    assert [task.status for task in run.status.tasks] == ["running", "pending", "pending", "pending"]
    assert await place.pods() == [name]

    await place.finished("dag", "ingest")
    await place.finished("dag", "left")
    await place.until("dag", lambda run: run.status.progress == "2/4")
    assert len(await place.pods()) == 3
    await place.finished("dag", "right")
    await place.finished("dag", "report")

    run = await place.phase("dag", "success")
    assert run.status.is_true(ConditionType.COMPLETE)
    assert run.status.is_true(ConditionType.READY)
    assert not run.status.is_true(ConditionType.FAILED)
    assert run.status.progress == "4/4"
    assert {task.exit_code for task in run.status.tasks} == {0}
    assert run.status.completion_time is not None


async def test_nothing_of_ours_is_on_the_run_itself(place: Place) -> None:
    await place.create("Run", {"command": "true"}, "clean")
    await place.finished("clean")
    await place.phase("clean", "success")
    manifest = await place.cluster.get("Run", place.namespace, "clean")
    assert manifest is not None
    assert not manifest["metadata"].get("annotations")
    assert not manifest["metadata"].get("finalizers")
    assert not manifest["metadata"].get("labels")
    assert manifest["spec"] == {"command": "true", "desiredState": "running"}


async def test_the_token_opens_this_run_and_dies_with_it(place: Place) -> None:
    created = await place.create("Run", {"command": "true"}, "token")
    await place.started("token")
    secret = await place.cluster.get("Secret", place.namespace, run_token_secret("token"))
    assert secret is not None
    token = base64.b64decode(secret["data"]["token.main"])
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT"}
    assert claims["workspace"] == place.workspace
    assert claims["run_uid"] == created["metadata"]["uid"]
    assert (claims["role"], claims["task"], claims["attempt"]) == ("editor", "main", 0)

    await place.finished("token")
    await place.phase("token", "success")
    secret_name = run_token_secret("token")

    async def is_gone() -> bool:
        return await place.cluster.get("Secret", place.namespace, secret_name) is None

    await eventually(is_gone)
