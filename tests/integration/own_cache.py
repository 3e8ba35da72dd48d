"""What an operator under test sees of a control plane that other workers of the run use as well: its own worker's part.

Tests name their workspaces with `own_slug`, so that each worker's are known by their name.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, AsyncIterator

from icefield_crds.names import workspace_of
from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import ClusterCache, Kind
from tests.shared import WORKER

_PREFIX = f"{WORKER}-"


def own_slug() -> str:
    """Return a name for a workspace of this worker that nobody has."""
    return f"{_PREFIX}{uuid.uuid4().hex[:8]}"


def is_own(slug: str) -> bool:
    """Whether a workspace is this worker's."""
    return slug.startswith(_PREFIX)


class OwnCache(ClusterCache):
    """A snapshot of the workspaces of this worker, and of what is in them; of flavors it has all."""

    def observe(self, event: str | None, manifest: Manifest) -> bool:
        """Store a watch event; one of another worker's object only proves that the watch is alive."""
        if _concerns_us(manifest):
            return super().observe(event, manifest)
        self._received_at[manifest["kind"]] = self._clock()
        return False

    async def replace_by_pages(self, kind: str, pages: AsyncIterable[tuple[list[Manifest], str]]) -> str:
        """Take in what a fresh list has of this worker's."""
        return await super().replace_by_pages(kind, _own_part(pages))


async def _own_part(pages: AsyncIterable[tuple[list[Manifest], str]]) -> AsyncIterator[tuple[list[Manifest], str]]:
    async for manifests, version in pages:
        yield list(filter(_concerns_us, manifests)), version


def _concerns_us(manifest: Manifest) -> bool:
    kind, metadata = manifest["kind"], manifest["metadata"]
    if kind == Kind.FLAVOR:
        return True
    slug = metadata["name"] if kind == Kind.WORKSPACE else workspace_of(metadata["namespace"])
    return bool(slug) and is_own(slug)
