"""The deletion of a workspace's data, and what is found of it by who writes late."""

from __future__ import annotations

from tests.memory_store import InMemoryObjectStore

from icefield_operator.objectstore.deletions import delete_data, is_deleted

PREFIXES = ["workspaces/demo/", "logs/demo/"]


class Watched(InMemoryObjectStore):
    """A store that tells whether the deletion was recorded whenever something was about to be deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list[bool] = []

    async def delete_some(self, prefix: str) -> int:
        self.recorded.append(await is_deleted(self, "w-1"))
        return await super().delete_some(prefix)


async def test_a_deletion_is_recorded_before_the_first_object_is_looked_for() -> None:
    store = Watched()
    for key in ("workspaces/demo/a", "logs/demo/b", "logs/demo2/c"):
        await store.put(key, b"x")
    assert not await is_deleted(store, "w-1")
    assert not await delete_data(store, "w-1", PREFIXES, 1)
    assert await delete_data(store, "w-1", PREFIXES, 1)
    assert all(store.recorded)
    assert not await is_deleted(store, "w-2")
    assert [key async for key in store.keys("logs/")] == ["logs/demo2/c"]
