"""Whose data it is that a workspace finds."""

from __future__ import annotations

from tests.memory_store import InMemoryObjectStore

from icefield_crds import Reason, Workspace
from icefield_operator.workspace.ownership import DataOwnership

WORKSPACE = Workspace.model_validate({"metadata": {"name": "demo", "uid": "w-2"}, "spec": {}})


async def test_what_was_there_for_a_moment_only_keeps_no_workspace_from_its_data() -> None:
    store = InMemoryObjectStore()
    ownership = DataOwnership(store)
    await store.put("logs/demo/run-1/a/0/000000.jsonl.gz", b"x")
    problem = await ownership.claim(WORKSPACE, has_keys=False)
    assert problem is not None
    assert problem.reason == Reason.DATA_LEFT_BEHIND
    await store.delete_some("logs/demo/")
    assert await ownership.claim(WORKSPACE, has_keys=False) is None
    owner = await ownership.find("demo")
    assert owner is not None
    assert owner.uid == "w-2"
