"""Of several operator processes one acts: leader election through a Lease, after client-go's tools/leaderelection.

Two rules keep a former leader and its successor from acting at the same time:

- A leader that could not renew its Lease within the renew deadline ends its process. The deadline is shorter than the
  Lease, and counts from before the last successful renewal was sent. Even if the process was frozen meanwhile, its next
  write is refused (`is_leading`, which Cluster asks).
- Others take the Lease only when they have watched it unchanged for as long as it lasts. So no two machines' clocks are
  compared; the times in the Lease are for people.

The Python client's own election (`kubernetes.aio.leaderelection` 37) lets a renewal that hangs outlast the Lease, and
never releases it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, Self

from icefield_kube.client import KubeClient, Manifest
from icefield_kube.errors import KubernetesError, NotFound
from icefield_kube.paths import path_of

from .metrics import LEADER

log = logging.getLogger(__name__)


class Election(Protocol):
    """Decides when this process acts."""

    @property
    def is_standing_by(self) -> bool:
        """Whether another process acts."""

    async def run(self, lead: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        """Await `lead` while this process is to act; return when it returned, or when stopped before."""


class Unopposed:
    """The election of an operator that is the only one."""

    is_standing_by = False

    async def run(self, lead: Callable[[], Awaitable[None]], _: asyncio.Event) -> None:
        """Lead at once."""
        await lead()


class Timing(NamedTuple):
    """How long a Lease lasts and how it is kept, in seconds."""

    lease: float
    """Nobody takes a Lease that changed within so long."""
    renew_deadline: float
    """A leader ends when its last renewal is older."""
    retry: float
    """Between renewals, and between looks at a Lease that another process holds."""

    @classmethod
    def of(cls, lease: float) -> Self:
        """Return the timing of a Lease that lasts so many seconds: nearly a third is left to end what acts."""
        return cls(lease, 0.7 * lease, 0.2 * lease)


class LeaseState(NamedTuple):
    """The Lease as this process saw it last."""

    spec: Mapping[str, Any]
    version: str | None
    """resourceVersion; None when there is no Lease."""
    changed_at: float
    """When this process first saw this spec, on its own clock."""

    @property
    def holder(self) -> str:
        """The identity of the leader; empty when there is none."""
        return self.spec.get("holderIdentity") or ""

    def next(self, spec: Mapping[str, Any], version: str | None, now: float) -> LeaseState:
        """Return the state after the Lease was read again."""
        return LeaseState(spec, version, self.changed_at if spec == self.spec else now)

    def seconds_until_free(self, identity: str, now: float) -> float:
        """Return after how long this process may take the Lease, if it does not change; 0 for now."""
        if self.holder in ("", identity):
            return 0.0
        return max(0.0, self.changed_at + float(self.spec.get("leaseDurationSeconds") or 0) - now)


def held_spec(before: Mapping[str, Any], identity: str, lease_seconds: float, now: datetime) -> Manifest:
    """Return the spec of a Lease that this process takes or renews.

    Args:
        before: the present spec.
        identity: of this process.
        lease_seconds: how long the Lease lasts from now.
        now: for people to read.
    """
    time_text = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    is_renewed = before.get("holderIdentity") == identity
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(lease_seconds),
        "acquireTime": before.get("acquireTime", time_text) if is_renewed else time_text,
        "renewTime": time_text,
        "leaseTransitions": int(before.get("leaseTransitions") or 0) + (not is_renewed),
    }


def identity_of(pod_name: str) -> str:
    """Return the identity of this process.

    A container that is restarted has its pod's name again, and so its pod's Lease: the one before has ended for sure.
    """
    return pod_name or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"


def end_process() -> None:
    """End at once, cleaning nothing up: whatever still runs might act beside the next leader."""
    logging.shutdown()
    os._exit(1)


class LeaderElection:
    """One candidate for a Lease."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing,
        on_lost: Callable[[], None] = end_process,
    ) -> None:
        """Stand for election once `run` is awaited.

        Args:
            client: a client of its own, so that a renewal waits for no other call.
            namespace: of the Lease.
            name: of the Lease, which is made when missing.
            identity: unlike that of every other candidate.
            timing: how long the Lease lasts.
            on_lost: called when the Lease could not be kept; must end whatever acts before it returns.
        """
        self._client = client
        self._path = path_of("Lease", namespace, name)
        self._metadata = {"namespace": namespace, "name": name}
        self._identity = identity
        self._timing = timing
        self._on_lost = on_lost
        self._seen: LeaseState | None = None
        self._leads_until = -math.inf

    @classmethod
    @asynccontextmanager
    async def open(cls, namespace: str, name: str, pod_name: str, timing: Timing) -> AsyncIterator[Self]:
        """Return a candidate with a client of its own."""
        # Half of the deadline: a renewal that hangs leaves time for a second one.
        client = await KubeClient.connect(timing.renew_deadline / 2)
        try:
            yield cls(client, namespace, name, identity_of(pod_name), timing)
        finally:
            await client.close()

    @property
    def is_standing_by(self) -> bool:
        """Whether another process leads, as far as this one knows."""
        return self._seen is not None and self._seen.holder not in ("", self._identity)

    def is_leading(self) -> bool:
        """Return whether this process may act now."""
        return time.monotonic() < self._leads_until

    async def run(self, lead: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
        """Wait until this process leads, then lead until `lead` returns or raises, and release the Lease.

        Args:
            lead: everything that acts.
            stop: ends the waiting; what ends `lead` is its own affair.
        """
        if not await self._acquire(stop):
            return
        log.info("%s leads", self._identity)
        LEADER.set(1)
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._keep())
        try:
            await asyncio.wait([leading, renewing], return_when=asyncio.FIRST_COMPLETED)
            for ended in (renewing, leading):
                if ended.done():
                    ended.result()
        finally:
            # Renewed until nothing acts any more.
            for task in (leading, renewing):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            LEADER.set(0)
            await self._release()

    async def _acquire(self, stop: asyncio.Event) -> bool:
        """Try until this process holds the Lease; return False when stopped first."""
        while not stop.is_set():
            if await self._try():
                return True
            wait = self._timing.retry * random.uniform(1.0, 1.2)  # noqa: S311
            if self.is_standing_by and self._seen:
                wait = min(wait, self._seen.seconds_until_free(self._identity, time.monotonic()))
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await stop.wait()
        return False

    async def _keep(self) -> None:
        """Renew the Lease until cancelled; call `on_lost` when that fails for too long, or another has taken it."""
        while True:
            await asyncio.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(self._leads_until - time.monotonic()):
                    while not await self._try():
                        if self.is_standing_by:
                            raise TimeoutError
                        await asyncio.sleep(self._timing.retry / 4)
            except TimeoutError:
                log.critical("%s does not lead any more: its Lease could not be renewed", self._identity)
                self._leads_until = -math.inf
                self._on_lost()
                return

    async def _try(self) -> bool:
        """Look at the Lease, and take or renew it if that is allowed; return whether this process holds it now."""
        try:
            seen = await self._look()
            now = time.monotonic()
            if seen.seconds_until_free(self._identity, now) > 0:
                return False
            await self._write(seen, held_spec(seen.spec, self._identity, self._timing.lease, datetime.now(UTC)))
        except KubernetesError as error:
            log.warning("Cannot get the Lease %s: %s", self._metadata["name"], error)
            return False
        self._leads_until = now + self._timing.renew_deadline
        return True

    async def _look(self) -> LeaseState:
        try:
            lease = await self._client.call("GET", self._path)
        except NotFound:
            lease = {}
        spec, version = lease.get("spec") or {}, lease.get("metadata", {}).get("resourceVersion")
        now = time.monotonic()
        self._seen = self._seen.next(spec, version, now) if self._seen else LeaseState(spec, version, now)
        return self._seen

    async def _write(self, seen: LeaseState, spec: Manifest) -> None:
        # A Lease may be created by PUT, and unlike POST that is a right which RBAC can bind to one name.
        metadata = self._metadata | ({"resourceVersion": seen.version} if seen.version else {})
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        written = await self._client.call("PUT", self._path, body=body)
        self._seen = LeaseState(written["spec"], written["metadata"]["resourceVersion"], time.monotonic())

    async def _release(self) -> None:
        """Leave the Lease to whoever wants it; should that fail, it runs out."""
        seen = self._seen
        if not self.is_leading() or seen is None:
            return
        self._leads_until = -math.inf
        try:
            await self._write(seen, {**seen.spec, "holderIdentity": ""})
        except KubernetesError as error:
            log.warning("Cannot release the Lease %s: %s", self._metadata["name"], error)
