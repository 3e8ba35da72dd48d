"""Dispatches workloads to their sandboxes and waits for the outcomes, each in a task of its own beside the queue.

Nothing is kept here that cannot be found again: a restarted operator dispatches every workload again, which a sandbox
that has it already accepts, and asks again for the outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from icefield_crds import PolarsWorkload, Run, Workspace
from icefield_crds.names import SANDBOX_PORT
from icefield_crds.wire.outcome import FailureKind, WorkloadOutcome
from icefield_crds.wire.workload import Workload
from icefield_kube.client import Manifest
from icefield_kube.errors import KubernetesError
from icefield_operator.metrics import WORKLOAD_PUSH_SECONDS
from icefield_operator.pod_status import has_ended

from . import pool_plan
from .client import SandboxClient, SandboxRefusedError, SandboxUnreachableError
from .observe import MAX_ERROR
from .tokens import SandboxTokens
from .workload import ObjectStoreKeysMissingError, WorkloadWriter

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2000
"""Workloads whose outcome is awaited at once; each holds a connection to its sandbox."""
FIRST_POLL, LAST_POLL = 0.05, 0.2
"""Seconds between calls to a sandbox whose port is not open yet."""
POLLING_SECONDS = 30.0
"""After so long without an answer calls come less often."""
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0
ACKNOWLEDGEMENTS = 5
"""How often an acknowledgement is tried; a sandbox ends by itself soon after."""
AFTER_MISTAKE = 10.0

_BACKOFF = wait_exponential(multiplier=FIRST_BACKOFF, max=LAST_BACKOFF) + wait_random(0, FIRST_BACKOFF)
_POLL = wait_exponential(multiplier=FIRST_POLL, exp_base=1.5, max=LAST_POLL)

Address = Callable[[Manifest], str]
"""From a pod that has an address to the base URL of its sandbox."""


def address_of(pod: Manifest) -> str:
    """Return where the sandbox in a pod listens."""
    ip = pod["status"]["podIP"]
    return f"http://[{ip}]:{SANDBOX_PORT}" if ":" in ip else f"http://{ip}:{SANDBOX_PORT}"


def accepts_workload(pod: Manifest) -> bool:
    """Return whether a workload can be sent to the sandbox in a pod, which need not listen yet.

    One that may still be given up gets none: it must be certain then that it has not begun.
    """
    is_alive = not has_ended(pod) and "deletionTimestamp" not in pod["metadata"]
    return is_alive and bool(pod.get("status", {}).get("podIP")) and pool_plan.give_up_time(pod) is None


@dataclass
class Assignment:
    """A workload that has a sandbox."""

    run: Run
    spec: PolarsWorkload
    workspace: Workspace
    warehouse_id: str | None
    """Public id of the warehouse that programs use when they name none."""
    environment_key: str | None
    """Key of the environment of its requirements, if it has any."""
    pod: Manifest
    sandbox: str
    """warm, starting or cold, for the metrics."""
    since: float | None
    """When its run asked for a sandbox (time.monotonic); None when that was before this process started."""
    start_time: datetime | None = None
    """When the sandbox accepted it."""
    waiting_message: str | None = None
    """What keeps it from being dispatched."""
    outcome: WorkloadOutcome | None = None
    recorded: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the outcome is in the Run's status."""


class WorkloadDispatcher:
    """The workloads that have a sandbox."""

    def __init__(
        self,
        writer: WorkloadWriter,
        tokens: SandboxTokens,
        on_change: Callable[[str, str], None],
        address: Address = address_of,
    ) -> None:
        """Initialize; nothing is called before the first `dispatch`.

        Args:
            writer: writes workloads.
            tokens: the tokens of sandboxes.
            on_change: called with namespace and name of a Run whose workload started or ended.
            address: where the sandbox of a pod listens.
        """
        self._writer = writer
        self._tokens = tokens
        self._on_change = on_change
        self._address = address
        self._assigned: dict[str, tuple[Assignment, asyncio.Task[None]]] = {}
        self._uids: dict[tuple[str, str], str] = {}
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._opened: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Wait until cancelled, then stop calling; what was in progress is found again after a restart."""
        try:
            await asyncio.Event().wait()
        finally:
            tasks = [task for _, task in self._assigned.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._opened is not None:
                await self._opened.close()

    def dispatch(self, assignment: Assignment) -> None:
        """Send a run's workload to its sandbox, which has an address, and await the outcome; once per sandbox.

        A run gets another sandbox only when its workload had not begun in the one before.
        """
        metadata = assignment.run.metadata
        known, task = self._assigned.get(metadata.uid, (None, None))
        if known is not None and task is not None and known.pod["metadata"]["uid"] != assignment.pod["metadata"]["uid"]:
            task.cancel()
            known = None
        if known is None:
            self._assigned[metadata.uid] = assignment, asyncio.create_task(self._serve(assignment))
            self._uids[metadata.namespace or "", metadata.name] = metadata.uid

    def of(self, run: Run) -> Assignment | None:
        """Return the assignment of a run whose workload has a sandbox."""
        assignment, _ = self._assigned.get(run.metadata.uid, (None, None))
        return assignment

    def release(self, run: Run) -> None:
        """Let the sandbox of a run end: its outcome is recorded in the Run's status."""
        assignment, task = self._assigned.get(run.metadata.uid, (None, None))
        if assignment is None or task is None:
            return
        if assignment.outcome is None:
            task.cancel()
        assignment.recorded.set()

    def forget(self, namespace: str, name: str) -> None:
        """Drop a run that was deleted, and its pod with it."""
        _, task = self._assigned.get(self._uids.get((namespace, name), ""), (None, None))
        if task is not None:
            task.cancel()

    async def _serve(self, assignment: Assignment) -> None:
        run = assignment.run
        try:
            async with self._slots:
                client = self._client(assignment.pod)
                try:
                    await self._send(assignment, client)
                    assignment.start_time, assignment.waiting_message = datetime.now(UTC), None
                    if assignment.since is not None:
                        WORKLOAD_PUSH_SECONDS.labels(assignment.sandbox).observe(monotonic() - assignment.since)
                    self._notify(run)
                    assignment.outcome = await _await_outcome(client)
                except SandboxRefusedError as error:
                    assignment.outcome = WorkloadOutcome.failed(
                        FailureKind.INTERNAL, f"the sandbox refused the workload: {error}"
                    )
            self._notify(run)
            await assignment.recorded.wait()
            await _acknowledge(client)
        except Exception:
            # A mistake of ours in one workload must not end the others; the next pass over its Run tries again.
            log.exception("%s failed", _name(assignment))
            await asyncio.sleep(AFTER_MISTAKE)
            self._notify(run)
        finally:
            if self.of(run) is assignment:
                self._assigned.pop(run.metadata.uid, None)
                self._uids.pop((run.metadata.namespace or "", run.metadata.name), None)

    async def _send(self, assignment: Assignment, client: SandboxClient) -> None:
        """Send the workload, as soon as the sandbox answers."""
        workload = await self._write_workload(assignment)

        def report(attempt: RetryCallState) -> None:
            level = logging.INFO if _is_late(attempt) else logging.DEBUG
            log.log(level, "%s: %s", _name(assignment), _error_of(attempt))

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(SandboxUnreachableError),
            wait=lambda attempt: LAST_BACKOFF if _is_late(attempt) else _POLL(attempt),
            before_sleep=report,
        )
        await retrying(client.put, workload)

    async def _write_workload(self, assignment: Assignment) -> Workload:
        def report(attempt: RetryCallState) -> None:
            error = _error_of(attempt)
            log.info("%s waits: %s", _name(assignment), error)
            if assignment.waiting_message is None:
                assignment.waiting_message = f"the workload waits: {error}"[:MAX_ERROR]
                self._notify(assignment.run)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((KubernetesError, ObjectStoreKeysMissingError)),
            wait=_BACKOFF,
            before_sleep=report,
        )
        async for attempt in retrying:
            with attempt:
                return await self._writer.write(
                    assignment.run,
                    assignment.spec,
                    assignment.workspace,
                    assignment.warehouse_id,
                    assignment.environment_key,
                    datetime.now(UTC),
                )
        raise AssertionError("retried until it succeeds")

    def _client(self, pod: Manifest) -> SandboxClient:
        metadata = pod["metadata"]
        token = self._tokens.of(metadata["namespace"], metadata["name"])
        return SandboxClient(self._session, self._address(pod), token)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS))
        return self._opened

    def _notify(self, run: Run) -> None:
        self._on_change(run.metadata.namespace or "", run.metadata.name)


async def _await_outcome(client: SandboxClient) -> WorkloadOutcome:
    # Whether the pod of a sandbox that does not answer still exists, the pass over its Run finds out.
    retrying = AsyncRetrying(retry=retry_if_exception_type(SandboxUnreachableError), wait=_BACKOFF)
    outcome: WorkloadOutcome | None = None
    while outcome is None:
        outcome = await retrying(client.outcome)
    return outcome


async def _acknowledge(client: SandboxClient) -> None:
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(SandboxUnreachableError),
        stop=stop_after_attempt(ACKNOWLEDGEMENTS),
        wait=_BACKOFF,
    )
    try:
        await retrying(client.acknowledge)
    except (SandboxRefusedError, RetryError) as error:
        log.debug("A sandbox did not accept the acknowledgement: %s", error)


def _is_late(attempt: RetryCallState) -> bool:
    return (attempt.seconds_since_start or 0.0) > POLLING_SECONDS


def _error_of(attempt: RetryCallState) -> BaseException | None:
    return attempt.outcome.exception() if attempt.outcome else None


def _name(assignment: Assignment) -> str:
    metadata = assignment.run.metadata
    return f"The workload of run {metadata.namespace}/{metadata.name}"
