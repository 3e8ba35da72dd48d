"""List + watch of one kind, for as long as the process lives (client-go calls this a reflector).

A watch may die silently (nolar/kopf#698, #980), so each is asked to end after half a minute and counts as dead when it
does not; and how long ago the last event or list was received is there for readiness probes.

A list is delivered page by page, as it may have more objects than memory for them. Its objects are news like any other;
what it does not have is reported as deleted only when it is complete, so a list that fails half-way reports
nothing wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Set
from contextlib import contextmanager
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
HEALTHY_SECONDS = 1.0
"""A watch that lasted for less has failed, however it ended: client-go calls it a very short watch."""
_BACK_OFF = wait_exponential_jitter(multiplier=0.1, max=15.0, jitter=0.1)
_CONNECTION_ERRORS = (KubernetesError, aiohttp.ClientError, OSError)


class WatchTooShort(ConnectionError):  # noqa: N818 - as the API's errors are named
    """A watch ended at once and without an error, as behind a proxy that closes what it opens."""


class Receiver(Protocol):
    """What a reflector delivers to."""

    def put(self, item: Manifest) -> None:
        """Receive an object that was added or changed, or that a list has: it may be known already."""

    def remove(self, item: Manifest) -> None:
        """Receive the last state of an object that is gone, with the resourceVersion as of which it is."""

    def retain(self, listed: Set[str], version: int) -> None:
        """Receive the end of a complete list: what it does not have, and is not newer, is gone.

        Args:
            listed: metadata.uid of each object of the list; all have been `put`.
            version: resourceVersion at which the list was made.
        """


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
            # The back-off starts over with each call, and a call returns when a watch that worked has ended.
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
        if state.outcome and (error := state.outcome.exception()):
            self._report(error)

    def _report(self, error: BaseException) -> None:
        if isinstance(error, _CONNECTION_ERRORS):
            log.warning("watch of %s failed: %s: %s", self._path, type(error).__name__, error)
        else:
            log.error("watch of %s failed", self._path, exc_info=error)

    async def _list(self) -> str:
        listed: set[str] = set()
        version = ""
        async for page in self._pages():
            version = page["metadata"]["resourceVersion"]  # equal on every page of one list
            for item in page.pop("items") or ():
                listed.add(item["metadata"]["uid"])
                self._hand_over(self._receiver.put, _without_managed_fields(item))
        self._receiver.retain(listed, int(version))
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
            with self._judging_watch():
                async for line in lines:
                    self._deliver(orjson.loads(line))
                    self._received_at = time.monotonic()

    @contextmanager
    def _judging_watch(self) -> Iterator[None]:
        """Raise where a watch ends before it can count as one that worked; the end of one that did is no failure."""
        before, opened_at = self._received_at, time.monotonic()
        self._received_at = opened_at
        failure: Exception | None = None
        try:
            yield
        except Gone:
            raise
        except _CONNECTION_ERRORS as error:
            failure = error
        if time.monotonic() - opened_at < HEALTHY_SECONDS:
            if self._received_at == opened_at:
                self._received_at = before
            raise failure or WatchTooShort("it ended at once")
        if failure:
            self._report(failure)

    def _deliver(self, event: dict[str, Any]) -> None:
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            raise KubernetesError.of(item.get("code") or 500, orjson.dumps(item))
        self._version = item["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self._hand_over(self._receiver.remove, item)
        elif kind != "BOOKMARK":
            self._hand_over(self._receiver.put, item)

    def _hand_over(self, receive: Callable[[Manifest], None], item: Manifest) -> None:
        try:
            receive(item)
        except Exception:
            # One object must not hide all the others: listed again, it would be refused again.
            log.exception("%s in %s was not received", item["metadata"].get("name"), self._path)


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
