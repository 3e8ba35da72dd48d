"""Playing the operator: there is none here, so the tests write what it would."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import FastAPI

from icefield_crds import Run
from icefield_kube.client import MERGE_PATCH
from icefield_kube.paths import path_of
from tests.eventually import eventually


async def set_run_status(app: FastAPI, namespace: str, name: str, status: dict[str, Any]) -> None:
    """Write a Run's status, and wait until the server's cache has it."""
    cluster = app.state.core.cluster
    path = f"{path_of('Run', namespace, name)}/status"
    written = Run.model_validate(
        await cluster.client.call("PATCH", path, body={"status": status}, content_type=MERGE_PATCH)
    )

    async def is_seen() -> bool:
        seen = cluster.runs.store.get(namespace, name)
        return seen is not None and seen.status == written.status

    await eventually(is_seen)


def condition(type_: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """Return a condition as Kubernetes stores it."""
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-06-01T08:00:00Z",
    }


async def run_name(client: httpx.AsyncClient, run_id: str) -> str:
    """Return the metadata.name of a run."""
    answer = await client.get(f"/runs/{run_id}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["name"])
