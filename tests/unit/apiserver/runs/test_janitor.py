"""A run that somebody deleted while it was being archived does not return from the archive."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from icefield_apiserver.features.runs.archive import ArchivedRuns
from icefield_apiserver.features.runs.janitor import Dependencies, RunJanitor
from icefield_crds import Run, Workspace
from icefield_crds.names import API_VERSION
from icefield_kube.errors import NotFound, Unreachable


def run_of(uid: str) -> Run:
    metadata = {"name": uid, "namespace": "icefield-demo", "uid": uid, "resourceVersion": "1"}
    return Run.model_validate(
        {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": {"command": "true"}}
    )


async def test_a_run_that_was_deleted_meanwhile_is_not_kept_though_another_cannot_be_deleted_now() -> None:
    workspace = Workspace.model_validate(
        {"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": "demo", "uid": "w"}, "spec": {}}
    )
    archive = AsyncMock(ArchivedRuns)
    archive.put.return_value = {"deleted", "kept"}
    cluster: Any = Mock()
    cluster.runs.store.by_uid = run_of

    async def delete(run: Run, _: Any) -> None:
        raise NotFound(404, "gone") if run.metadata.uid == "deleted" else Unreachable("no answer")

    cluster.client.delete_unchanged = delete
    janitor = RunJanitor(Dependencies(Mock(), cluster, archive, Mock()), 10)
    with pytest.raises(Unreachable):
        await janitor._move(workspace, ["deleted", "kept"], AsyncMock())
    archive.remove.assert_awaited_once_with("w", ["deleted"])
