"""The Workspaces of the platform, by slug or public id."""

from __future__ import annotations

from collections.abc import Iterable

from icefield_apiserver.core.errors import NotFound
from icefield_crds import Workspace

from .store import Store


class WorkspaceDirectory:
    """Finds Workspaces in the watch cache.

    Args:
        store: every Workspace.
    """

    def __init__(self, store: Store[Workspace]) -> None:
        self._store = store

    def get(self, slug: str) -> Workspace | None:
        """Return the workspace with this slug, or None."""
        return self._store.get(None, slug)

    def existing(self, slug: str) -> Workspace:
        """Return the workspace with this slug.

        Raises:
            NotFound: there is none, or no longer.
        """
        if (workspace := self.get(slug)) is None:
            raise workspace_not_found(slug)
        return workspace

    def find(self, slug_or_id: str) -> Workspace | None:
        """Return the workspace with this slug or public id (`ws_...`), or None."""
        return self._store.get(None, slug_or_id) or self._store.by_public_id(None, slug_or_id)

    def all(self) -> Iterable[Workspace]:
        """Return every workspace."""
        return self._store.all()


def workspace_not_found(slug_or_id: str) -> NotFound:
    """Return the error for a workspace that does not exist, or not for this caller: the two must look alike."""
    return NotFound(f"Workspace {slug_or_id} does not exist.")
