"""List + watch of one kind, for as long as the process lives (client-go calls this a reflector).

A watch may die silently (nolar/kopf#698, #980), so each is asked to end after half a minute and counts as dead when it
does not; and how long ago the last event or list was received is there for readiness probes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

import aiohttp
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from .client import JSON, KubeClient, Manifest
from .errors import Gone, KubernetesError

log = logging.getLogger(__name__)

PAGE_SIZE = 500
WATCH_SECONDS = 30
SILENCE_SECONDS = WATCH_SECONDS + 10
_BACK_OFF = wait_exponential_jitter(multiplier=0.1, max=15.0, jitter=0.1)
_CONNECTION_ERRORS = (KubernetesError, aiohttp.ClientError, OSError)


class Receiver(Protocol):
    """What a reflector delivers to."""

    def replace(self, items: list[Manifest], version: int) -> None:
        """Receive a complete list, made at this resourceVersion."""

    def put(self, item: Manifest) -> None:
        """Receive an object that was added or changed."""

    def remove(self, uid: str) -> None:
        """Receive the metadata.uid of an object that was deleted."""


class Reflector:
    """Keeps a receiver up to date with one collection.

    Args:
        client: lists and watches.
        path: URL path of the collection.
        receiver: where objects are delivered.
        label_selector: only objects with these labels.
        field_selector: only objects with these fields, of those that the kind lets select.
        version: resourceVersion of a list that the receiver has already; None to begin with a list.
    """

    def __init__(
        self,
        client: KubeClient,
        path: str,
        receiver: Receiver,
        *,
        label_selector: str = "",
        field_selector: str = "",
        version: str | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._receiver = receiver
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._version = version
        self._received_at = time.monotonic()
        self._synced = asyncio.Event()

    @property
    def is_synced(self) -> bool:
        """Whether a complete list was delivered since the start."""
        return self._synced.is_set()

    @property
    def silence_seconds(self) -> float:
        """Seconds since the last event or list."""
        return time.monotonic() - self._received_at

    async def wait_until_synced(self) -> None:
        """Return once a complete list was delivered."""
        await self._synced.wait()

    async def run(self) -> None:
        """List and watch until cancelled; every failure is retried with back-off."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception), wait=_BACK_OFF, before_sleep=self._report_failure
        )
        while True:
            await retrying(self._list_and_watch)

    async def _list_and_watch(self) -> None:
        try:
            if self._version is None:
                self._version = await self._list()
            await self._watch(self._version)
        except Gone:
            self._version = None
            raise
        except _CONNECTION_ERRORS:
            raise
        except Exception:
            # What cannot be understood is listed again; nothing may end the loop, or the view would never change again.
            self._version = None
            raise

    def _report_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _CONNECTION_ERRORS):
            log.warning("watch of %s failed: %s: %s", self._path, type(error).__name__, error)
        else:
            log.error("watch of %s failed", self._path, exc_info=error)

    async def _list(self) -> str:
        items: list[Manifest] = []
        version = ""
        async for page in self._pages():
            version = page["metadata"]["resourceVersion"]  # equal on every page of one list
            items += map(_without_managed_fields, page["items"] or ())
        self._receiver.replace(items, int(version))
        self._received_at = time.monotonic()
        self._synced.set()
        return version

    def _pages(self) -> AsyncIterator[Manifest]:
        labels, fields = self._label_selector, self._field_selector
        return pages(self._client, self._path, label_selector=labels, field_selector=fields)

    async def _watch(self, version: str) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        if self._label_selector:
            query["labelSelector"] = self._label_selector
        if self._field_selector:
            query["fieldSelector"] = self._field_selector
        async with self._client.stream(self._path, query, idle_seconds=SILENCE_SECONDS) as lines:
            self._received_at = time.monotonic()
            async for line in lines:
                self._deliver(orjson.loads(line))
                self._received_at = time.monotonic()

    def _deliver(self, event: dict[str, Any]) -> None:
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            raise KubernetesError.of(item.get("code") or 500, orjson.dumps(item))
        self._version = item["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self._receiver.remove(item["metadata"]["uid"])
        elif kind != "BOOKMARK":
            self._receiver.put(item)


def _without_managed_fields(item: Manifest) -> Manifest:
    """Drop what no receiver reads while a list is being received: it is a third of a run."""
    item["metadata"].pop("managedFields", None)
    return item


async def pages(
    client: KubeClient, path: str, *, label_selector: str = "", field_selector: str = "", accept: str = JSON
) -> AsyncIterator[Manifest]:
    """Yield the pages of a list: objects of a List kind, with up to `PAGE_SIZE` items that carry no kind of their own.

    Args:
        client: asks for them.
        path: URL path of the collection.
        label_selector: only objects with these labels.
        field_selector: only objects with these fields, of those that the kind lets select.
        accept: representation wanted.
    """
    query = {"limit": str(PAGE_SIZE)}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    while True:
        page = await client.call("GET", path, query=query, accept=accept)
        yield page
        if not (token := page["metadata"].get("continue")):
            return
        query["continue"] = token
