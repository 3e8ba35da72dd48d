"""Whose data a workspace's part of the object store has: a record in the bucket, which workspaces cannot reach.

The names of prefix and catalog follow from the workspace's name, so a later workspace of that name would find what an
earlier one left: because its clean-up was given up, or because its data was to be retained. The record says whose it
is, by metadata.uid, and why it is still there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from icefield_crds import Reason, Workspace, object_store
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import AlreadyExistsError, ObjectStore
from icefield_operator.problem import Problem

UNRECORDED = "unrecorded"
"""The owner of objects that were there without a record: older versions kept none."""


@dataclass(frozen=True)
class Owner:
    """Whose data it is.

    Attributes:
        uid: metadata.uid of the Workspace.
        left: why it is there without its Workspace; empty while that exists.
    """

    uid: str
    left: str = ""


class DataOwnership:
    """Reads and writes the records."""

    def __init__(self, store: ObjectStore) -> None:
        """Keep the records in this bucket."""
        self._store = store

    async def claim(self, workspace: Workspace, *, has_keys: bool) -> Problem | None:
        """Make the data of this name the workspace's own, unless it is another's; then say whose, and how to get it.

        Args:
            workspace: whose it is to be.
            has_keys: whether it had keys of the object store before: then what is there is its own.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        slug, uid = workspace.metadata.name, workspace.metadata.uid
        owner = await self.find(slug)
        if owner is None:
            owner = Owner(uid if has_keys or not await self._has_objects(slug) else UNRECORDED)
            if not await self._create(slug, owner):
                return Problem(Reason.IN_PROGRESS, "its data was just claimed by another client", stalled=False)
        is_adopted = owner.uid != uid and workspace.spec.adopt_data_of == owner.uid
        # A log agent may have written there for a moment (deletions.py).
        is_gone = owner.uid == UNRECORDED and not await self._has_objects(slug)
        if is_adopted or is_gone:
            owner = Owner(uid)
            await self._write(slug, owner)
        return None if owner.uid == uid else Problem(Reason.DATA_LEFT_BEHIND, describe(slug, owner))

    async def find(self, slug: str) -> Owner | None:
        """Return whose data it is; None where nobody's was recorded.

        Raises:
            ObjectStoreError: the store is unavailable, or the record cannot be read.
        """
        content = await self._store.get(object_store.owner_key(slug))
        if content is None:
            return None
        try:
            return Owner(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise ObjectStoreError(f"{object_store.owner_key(slug)} is no record of an owner: {error}") from error

    async def leave(self, workspace: Workspace, why: str) -> None:
        """Record that the workspace's data stays without it.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        slug, uid = workspace.metadata.name, workspace.metadata.uid
        owner = await self.find(slug) or Owner(uid)
        if owner.uid == uid:
            await self._write(slug, replace(owner, left=why))

    async def release(self, slug: str) -> None:
        """Record that there is no data any more.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        await self._store.delete_some(object_store.owner_key(slug))

    async def _create(self, slug: str, owner: Owner) -> bool:
        try:
            await self._store.put(object_store.owner_key(slug), _content(owner), new=True)
        except AlreadyExistsError:
            return False
        return True

    async def _write(self, slug: str, owner: Owner) -> None:
        await self._store.put(object_store.owner_key(slug), _content(owner))

    async def _has_objects(self, slug: str) -> bool:
        for prefix in (object_store.workspace_prefix(slug), object_store.logs_prefix(slug)):
            async for _ in self._store.keys(f"{prefix}/"):
                return True
        return False


def describe(slug: str, owner: Owner) -> str:
    """Return what is left of an earlier workspace, and what can be done about it."""
    whose = "an unknown workspace" if owner.uid == UNRECORDED else f"an earlier workspace {slug} (uid {owner.uid})"
    why = f" ({owner.left})" if owner.left else ""
    places = (
        f"{object_store.workspace_prefix(slug)}/ and {object_store.logs_prefix(slug)}/ in the bucket, and its catalog"
    )
    return (
        f"data of {whose} is left{why}: {places}. It is not used: set spec.adoptDataOf to {owner.uid} to use it, or "
        f"delete it, and then {object_store.owner_key(slug)}"
    )


def _content(owner: Owner) -> bytes:
    return json.dumps(asdict(owner), sort_keys=True).encode()
