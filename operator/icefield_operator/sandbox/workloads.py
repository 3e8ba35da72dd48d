"""Brings workloads to their sandboxes and waits for what comes of them, each in a task of its own beside the queue.

Nothing is kept here that cannot be found again: an operator that starts anew brings every workload once more, which a
sandbox takes as what it has already, and asks again for the outcome.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import aiohttp

from icefield_crds import PolarsWorkload, Run, Workspace
from icefield_crds.names import SANDBOX_PORT
from icefield_operator.errors import KubernetesError
from icefield_operator.metrics import WORKLOAD_PUSH_SECONDS
from icefield_operator.world import Manifest

from .client import SandboxClient, SandboxRefusedError, SandboxUnreachableError
from .outcome import MAX_ERROR, Outcome
from .tokens import SandboxTokens
from .workload import ObjectStoreKeysMissingError, WorkloadWriter

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2000
"""Workloads that are waited for at once; each holds a connection to its sandbox."""
FIRST_POLL, LAST_POLL = 0.05, 0.2
"""Seconds between calls to a sandbox whose port is not open yet."""
POLLING_SECONDS = 30.0
"""After so long without an answer calls come less often."""
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0
ACKNOWLEDGEMENTS = 5
"""How often an outcome is acknowledged in vain; a sandbox ends by itself soon after."""

AFTER_MISTAKE = 10.0

Address = Callable[[Manifest], str]
"""From a pod that has an address to the base URL of its sandbox."""


def address_of(pod: Manifest) -> str:
    """Return where the sandbox in a pod listens."""
    ip = pod["status"]["podIP"]
    return f"http://[{ip}]:{SANDBOX_PORT}" if ":" in ip else f"http://{ip}:{SANDBOX_PORT}"


@dataclass
class Assignment:
    """A workload that has a sandbox."""

    run: Run
    spec: PolarsWorkload
    workspace: Workspace
    pod: Manifest
    sandbox: str
    """warm or cold, for the metrics."""
    since: float | None
    """When its run asked for a sandbox (time.monotonic); None when that was before this process."""
    begun: datetime | None = None
    """When the sandbox had it."""
    waits: str | None = None
    """What keeps it from being brought."""
    outcome: Outcome | None = None
    written: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the outcome is in the Run's status."""


class Workloads:
    """The workloads that have a sandbox."""

    def __init__(
        self,
        writer: WorkloadWriter,
        tokens: SandboxTokens,
        on_news: Callable[[str, str], None],
        address: Address = address_of,
    ) -> None:
        """Make one; nothing is called before the first `assign`.

        Args:
            writer: who writes workloads.
            tokens: what opens sandboxes.
            on_news: called with namespace and name of a Run whose workload began or ended.
            address: where the sandbox of a pod listens.
        """
        self._writer = writer
        self._tokens = tokens
        self._on_news = on_news
        self._address = address
        self._assigned: dict[str, tuple[Assignment, asyncio.Task[None]]] = {}
        self._uids: dict[tuple[str, str], str] = {}
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._opened: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Wait until cancelled, then stop calling; whatever was on its way is found again after a start."""
        try:
            await asyncio.Event().wait()
        finally:
            tasks = [task for _, task in self._assigned.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._opened is not None:
                await self._opened.close()

    def assign(self, assignment: Assignment) -> None:
        """Bring a run's workload to its sandbox, which has an address, and wait; once, however often it is asked."""
        metadata = assignment.run.metadata
        if metadata.uid not in self._assigned:
            self._assigned[metadata.uid] = assignment, asyncio.create_task(self._carry(assignment))
            self._uids[metadata.namespace or "", metadata.name] = metadata.uid

    def of(self, run: Run) -> Assignment | None:
        """Return how the workload of a run stands, when it has a sandbox."""
        assignment, _ = self._assigned.get(run.metadata.uid, (None, None))
        return assignment

    def note_written(self, run: Run) -> None:
        """Let go of a run that has ended, which is written down: its sandbox may end too."""
        assignment, task = self._assigned.get(run.metadata.uid, (None, None))
        if assignment is None or task is None:
            return
        if assignment.outcome is None:
            task.cancel()
        assignment.written.set()

    def forget(self, namespace: str, name: str) -> None:
        """Drop a run that is no more, and its pod with it."""
        _, task = self._assigned.get(self._uids.get((namespace, name), ""), (None, None))
        if task is not None:
            task.cancel()

    async def _carry(self, assignment: Assignment) -> None:
        run = assignment.run
        try:
            async with self._slots:
                client = self._client(assignment.pod)
                try:
                    await self._bring(assignment, client)
                    assignment.begun, assignment.waits = datetime.now(UTC), None
                    if assignment.since is not None:
                        WORKLOAD_PUSH_SECONDS.labels(assignment.sandbox).observe(monotonic() - assignment.since)
                    self._tell(run)
                    assignment.outcome = await self._await_outcome(client)
                except SandboxRefusedError as error:
                    assignment.outcome = Outcome.failed("internal", f"the sandbox refused the workload: {error}")
            self._tell(run)
            await assignment.written.wait()
            await self._acknowledge(client)
        except Exception:
            # A mistake of ours in one workload must not end the others; the next pass over its Run tries again.
            log.exception("%s failed", _name(assignment))
            await asyncio.sleep(AFTER_MISTAKE)
            self._tell(run)
        finally:
            self._assigned.pop(run.metadata.uid, None)
            self._uids.pop((run.metadata.namespace or "", run.metadata.name), None)

    async def _bring(self, assignment: Assignment, client: SandboxClient) -> None:
        """Bring the workload, as soon as the sandbox answers."""
        workload = await self._written_workload(assignment)
        began, delay = monotonic(), FIRST_POLL
        while True:
            try:
                return await client.put(workload)
            except SandboxUnreachableError as error:
                is_late = monotonic() - began > POLLING_SECONDS
                log.log(logging.INFO if is_late else logging.DEBUG, "%s: %s", _name(assignment), error)
                await asyncio.sleep(LAST_BACKOFF if is_late else delay)
                delay = min(delay * 1.5, LAST_POLL)

    async def _written_workload(self, assignment: Assignment) -> Manifest:
        failures = 0
        while True:
            try:
                now = datetime.now(UTC)
                return await self._writer.write(assignment.run, assignment.spec, assignment.workspace, now)
            except (KubernetesError, ObjectStoreKeysMissingError) as error:
                log.info("%s waits: %s", _name(assignment), error)
                if assignment.waits is None:
                    assignment.waits = f"the workload waits: {error}"[:MAX_ERROR]
                    self._tell(assignment.run)
                await _back_off(failures)
                failures += 1

    async def _await_outcome(self, client: SandboxClient) -> Outcome:
        failures = 0
        while True:
            try:
                outcome = await client.outcome()
            except SandboxUnreachableError:
                # Whether the pod is no more, the pass over its Run finds out.
                await _back_off(failures)
                failures += 1
            else:
                if outcome is not None:
                    return outcome
                failures = 0

    async def _acknowledge(self, client: SandboxClient) -> None:
        for failures in range(ACKNOWLEDGEMENTS):
            try:
                return await client.acknowledge()
            except SandboxRefusedError:
                return None
            except SandboxUnreachableError:
                await _back_off(failures)
        return None

    def _client(self, pod: Manifest) -> SandboxClient:
        metadata = pod["metadata"]
        token = self._tokens.of(metadata["namespace"], metadata["name"])
        return SandboxClient(self._session, self._address(pod), token)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS))
        return self._opened

    def _tell(self, run: Run) -> None:
        self._on_news(run.metadata.namespace or "", run.metadata.name)


async def _back_off(failures: int) -> None:
    await asyncio.sleep(min(FIRST_BACKOFF * 2 ** min(failures, 10), LAST_BACKOFF) * random.uniform(0.8, 1.2))  # noqa: S311


def _name(assignment: Assignment) -> str:
    metadata = assignment.run.metadata
    return f"The workload of run {metadata.namespace}/{metadata.name}"
