"""The watch cache of one kind: a store kept up to date by a reflector, with a fallback to the Kubernetes API."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Set
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from pydantic import ValidationError

from icefield_crds.meta import Resource
from icefield_kube.client import Manifest
from icefield_kube.errors import NotFound
from icefield_kube.paths import path_of
from icefield_kube.watch import Reflector, pages

from .client import ResourceClient
from .store import Indexing, Store

R = TypeVar("R", bound=Resource[Any, Any])

log = logging.getLogger(__name__)

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What to accept in order to list objects without spec and status."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class WatchCache(Generic[R]):
    """The resources of one kind in the whole cluster.

    Args:
        client: the process's own identity.
        model: the kind.
        indexing: how the store arranges it.
    """

    def __init__(self, client: ResourceClient, model: type[R], indexing: Indexing[R]) -> None:
        self.store: Store[R] = Store(model, indexing)
        self.model = model
        self.reflector = Reflector(client, path_of(model.KIND, None), self)
        self._client = client
        self._searches: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, namespace: str | None, name: str) -> R | None:
        """Return the resource of this name, asking the Kubernetes API when it is not cached, or None."""
        if found := self.store.get(namespace, name):
            return found
        if not _NAME.fullmatch(name):
            return None
        return await self.read(namespace, name)

    async def read(self, namespace: str | None, name: str) -> R | None:
        """Return the resource of this name as the Kubernetes API has it now, or None."""
        try:
            resource = await self._client.get(self.model, namespace, name)
        except NotFound:
            return None
        self.store.put(resource)
        return self.store.by_uid(resource.metadata.uid)

    async def find_by_public_id(self, namespace: str, public_id: str) -> R | None:
        """Return the resource with this public id, asking the Kubernetes API when it is not cached, or None.

        The API has no query by id, so its list is searched: at most one search per namespace at a time.
        """
        if found := self.store.by_public_id(namespace, public_id):
            return found
        search = self._searches.setdefault(namespace, asyncio.Lock())
        async with search:
            if found := self.store.by_public_id(namespace, public_id):
                return found
            prefix = public_id.rpartition("_")[2]
            async for page in pages(self._client, path_of(self.model.KIND, namespace), accept=METADATA_ONLY):
                for item in page["items"] or ():
                    if item["metadata"]["uid"].replace("-", "").startswith(prefix):
                        return await self.read(namespace, item["metadata"]["name"])
        return None

    async def refresh(self, namespace: str) -> None:
        """Store what the Kubernetes API has in a namespace now."""
        async for page in pages(self._client, path_of(self.model.KIND, namespace)):
            for item in page.pop("items") or ():
                self.put(item)

    def put(self, item: Manifest) -> None:
        """Receive a resource from the reflector that was added or changed, or that a list has."""
        if resource := self._parse(item):
            self.store.put(resource)

    def remove(self, item: Manifest) -> None:
        """Receive the end of a resource from the reflector."""
        metadata = item["metadata"]
        self.store.remove(metadata["uid"], int(metadata["resourceVersion"]))

    def retain(self, listed: Set[str], version: int) -> None:
        """Receive the end of a complete list from the reflector."""
        self.store.retain(listed, version)

    def _parse(self, item: Manifest) -> R | None:
        try:
            return self.model.model_validate(item)
        except ValidationError as error:
            # One resource that an older schema admitted must not hide all the others.
            metadata = item["metadata"]
            log.error(
                "%s %s/%s does not validate: %s", self.model.KIND, metadata.get("namespace"), metadata["name"], error
            )
            return None
