"""Whose data was deleted: a record in the bucket of each Workspace, by metadata.uid, that stays.

Whoever writes for a workspace that may be gone looks for the record after each last write, and deletes what it wrote
when there is one. The record is there before the first object is deleted: so what was written too late to be deleted
was followed by a look that finds the record, however long either took.
"""

from __future__ import annotations

from collections.abc import Sequence

from icefield_crds import object_store

from .store import ObjectStore


async def delete_data(store: ObjectStore, workspace_uid: str, prefixes: Sequence[str], batches: int) -> bool:
    """Delete a part of the data of a workspace, for good; return whether nothing is left.

    Args:
        store: where it is.
        workspace_uid: whose it is.
        prefixes: where all of it is, each with a slash at its end.
        batches: how many times up to a thousand objects of each prefix may be deleted.

    Raises:
        ObjectStoreError: the store is unavailable or refuses.
    """
    await store.put(object_store.deletion_key(workspace_uid), b"{}")
    for _ in range(batches):
        if sum([await store.delete_some(prefix) for prefix in prefixes]) == 0:
            return True
    return False


async def is_deleted(store: ObjectStore, workspace_uid: str) -> bool:
    """Return whether the data of a workspace is deleted, or is being deleted.

    Raises:
        ObjectStoreError: the store is unavailable or refuses.
    """
    return await store.exists(object_store.deletion_key(workspace_uid))
