"""A kind's watch cache: a list, then a watch that keeps it true, for as long as the process lives.

A watch may die without a word (nolar/kopf#698, #980), so each is asked to end after half a minute and counts as dead
when it does not; and how long ago Kubernetes was last heard of is there for /readyz.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import AsyncIterator
from typing import Any, Generic

import aiohttp
from kubernetes.aio.client.exceptions import ApiException
from pydantic import ValidationError

from .client import KubeClient, R, path_of
from .store import Order, Store

log = logging.getLogger(__name__)

PAGE_SIZE = 500
WATCH_SECONDS = 30
SILENCE_SECONDS = WATCH_SECONDS + 10
_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 15.0
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Expired(Exception):  # noqa: N818 - the word that Kubernetes uses
    """The resourceVersion to watch from is too old: list again."""


class WatchCache(Generic[R]):
    """One kind of the whole cluster.

    Args:
        client: the process's own identity.
        model: the kind.
        order: in which order it is listed.
    """

    def __init__(self, client: KubeClient, model: type[R], order: Order[R]) -> None:
        self.store: Store[R] = Store(order)
        self.model = model
        self._client = client
        self._version: str | None = None
        self._heard = time.monotonic()
        self._synced = asyncio.Event()
        self._searches: dict[str, asyncio.Lock] = {}

    @property
    def is_synced(self) -> bool:
        """Whether a complete list was taken in since the start."""
        return self._synced.is_set()

    @property
    def silence_seconds(self) -> float:
        """How long ago Kubernetes was last heard of, about this kind."""
        return time.monotonic() - self._heard

    async def wait_until_synced(self) -> None:
        """Return once a complete list was taken in."""
        await self._synced.wait()

    async def run(self) -> None:
        """Keep the store true until cancelled; whatever goes wrong is tried again, ever more slowly."""
        failures = 0
        while True:
            try:
                if self._version is None:
                    self._version = await self._list()
                await self._watch()
                failures = 0
            except Expired:
                self._version = None
                failures += 1
            except (ApiException, aiohttp.ClientError, OSError, TimeoutError) as error:
                failures += 1
                if isinstance(error, ApiException) and error.status == 410:
                    self._version = None
                log.warning("watch of %s broke off: %s: %s", self.model.PLURAL, type(error).__name__, error)
            except Exception:
                # Nothing may end the loop: a cache that stands still looks healthy.
                failures += 1
                self._version = None
                log.exception("watch of %s failed", self.model.PLURAL)
            if failures:
                await asyncio.sleep(_delay(failures))

    async def find(self, namespace: str | None, name: str) -> R | None:
        """Return the resource of this name, asking Kubernetes itself when it is not here, or None."""
        if found := self.store.get(namespace, name):
            return found
        if not _NAME.fullmatch(name):
            return None
        return await self.read(namespace, name)

    async def read(self, namespace: str | None, name: str) -> R | None:
        """Return the resource of this name as Kubernetes has it now, or None."""
        try:
            resource = await self._client.get(self.model, namespace, name)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        self.store.put(resource)
        return self.store.by_uid(resource.metadata.uid)

    async def find_by_public_id(self, namespace: str, public_id: str) -> R | None:
        """Return the resource with this public id, asking Kubernetes itself when it is not here, or None.

        Ids cannot be asked for, only looked for; so at most one search per namespace goes on at a time.
        """
        if found := self.store.by_public_id(namespace, public_id):
            return found
        async with self._searches.setdefault(namespace, asyncio.Lock()):
            if found := self.store.by_public_id(namespace, public_id):
                return found
            hexes = public_id.rpartition("_")[2]
            async for page in self._pages(namespace, accept=_METADATA_ONLY):
                for item in page["items"] or ():
                    if item["metadata"]["uid"].replace("-", "").startswith(hexes):
                        return await self.read(namespace, item["metadata"]["name"])
        return None

    async def list_live(self, namespace: str) -> list[R]:
        """Return what Kubernetes itself has in a namespace now, and take it in."""
        found = [r async for page in self._pages(namespace) for item in page["items"] or () if (r := self._parse(item))]
        for resource in found:
            self.store.put(resource)
        return found

    async def _list(self) -> str:
        found: list[R] = []
        version = ""
        async for page in self._pages(None):
            version = page["metadata"]["resourceVersion"]  # the same on every page of one list
            found.extend(resource for item in page["items"] or () if (resource := self._parse(item)))
        self.store.replace(found, int(version))
        self._heard = time.monotonic()
        self._synced.set()
        return version

    async def _pages(self, namespace: str | None, accept: str = "application/json") -> AsyncIterator[dict[str, Any]]:
        query = {"limit": str(PAGE_SIZE)}
        while True:
            page = await self._client.call("GET", path_of(self.model, namespace), query=query, accept=accept)
            yield page
            if not (token := page["metadata"].get("continue")):
                return
            query["continue"] = token

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with self._client.stream(path_of(self.model, None), query, idle_seconds=SILENCE_SECONDS) as lines:
            self._heard = time.monotonic()
            async for line in lines:
                self._take(json.loads(line))
                self._heard = time.monotonic()

    def _take(self, event: dict[str, Any]) -> None:
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            if item.get("code") == 410:
                raise Expired
            raise ApiException(status=item.get("code"), reason=item.get("message"))
        self._version = item["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self.store.remove(item["metadata"]["uid"])
        elif kind != "BOOKMARK" and (resource := self._parse(item)):
            self.store.put(resource)

    def _parse(self, item: dict[str, Any]) -> R | None:
        try:
            return self.model.model_validate(item)
        except ValidationError as error:
            # One resource that an older schema let in must not blind us to all the others.
            meta = item["metadata"]
            log.error("%s %s/%s is not readable: %s", self.model.KIND, meta.get("namespace"), meta["name"], error)
            return None


def _delay(failures: int) -> float:
    ceiling = min(_FIRST_DELAY_SECONDS * 2.0 ** (failures - 1), _LONGEST_DELAY_SECONDS)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
