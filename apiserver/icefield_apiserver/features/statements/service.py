"""Statements of callers: run, read and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import icefield_sql as sql
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.features.grants.service import GrantService
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.volumes.service import VolumeService
from icefield_apiserver.features.warehouses.service import WarehouseService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Role, Warehouse, Workspace
from icefield_crds.wire.gateway import FINAL_PHASES, ResultIndex

from . import identifiers
from .execution import Execution
from .executor import Executor
from .identifiers import is_id
from .lifecycle import INLINE_BYTES
from .models import Statement
from .planning import Parsed, Plan, Planner, kept
from .privileges import check_privileges
from .requests import MAX_WAIT_SECONDS, EngineChoice, ExecuteRequest, PlanRequest
from .responses import rows_of_stream
from .results import GONE, Result, ResultStore
from .store import DuplicateStatementError, StatementRepository

INLINE_ROWS = 10_000
"""Most rows of the answer to POST /sql/execute itself."""
CANCEL_SECONDS = 5.0
"""How long a cancel waits for the engine to have stopped."""
POLL_SECONDS = 0.25
_REQUESTED = ("query", "dialect", "request", "warehouse_uid", "run_uid", "context")
"""What of a record its request determines: a repetition has the same."""

__all__ = [
    "MAX_WAIT_SECONDS",
    "EngineChoice",
    "ExecuteRequest",
    "FirstRows",
    "Plan",
    "PlanRequest",
    "PreparedStatement",
    "Statement",
    "StatementService",
    "check_privileges",
    "is_id",
    "rows_of_stream",
]


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a result.

    Attributes:
        column_types: as Spark SQL names them.
        json: the rows as JSON, a list of lists.
        truncated: whether there are more rows than these.
    """

    columns: list[str]
    column_types: list[str]
    json: bytes
    truncated: bool


@dataclass(frozen=True)
class PreparedStatement:
    """A statement that its caller parsed, and may have compiled.

    Attributes:
        statement: its parse.
        plan: its plan for the engine that the request asks for; None to make it later.
    """

    statement: sql.Statement
    plan: Plan | None = None

    @staticmethod
    def of(statement: sql.Statement, plan: Plan | None = None) -> PreparedStatement:
        """Return a statement for its execution, which keeps no more of it than is good for it."""
        return PreparedStatement(kept(statement), plan)


class StatementService:
    """Statements, each call inside the caller's workspace.

    Args:
        repository: stores their records.
        executor: runs them.
        planner: parses them.
        results: reads their results.
        warehouses: where they run.
        runs: the runs that they are executed for.
        volumes: the volumes, which a dropped database must not have.
        workspaces: the Workspaces.
    """

    def __init__(
        self,
        repository: StatementRepository,
        executor: Executor,
        planner: Planner,
        results: ResultStore,
        warehouses: WarehouseService,
        runs: RunService,
        volumes: VolumeService,
        grants: GrantService,
        workspaces: WorkspaceDirectory,
    ) -> None:
        self._repository = repository
        self._executor = executor
        self._planner = planner
        self._results = results
        self._warehouses = warehouses
        self._runs = runs
        self._volumes = volumes
        self._grants = grants
        self._workspaces = workspaces

    async def execute(
        self, principal: Principal, request: ExecuteRequest, prepared: PreparedStatement | None = None
    ) -> tuple[Statement, bytes | None]:
        """Run a statement; return its record after the wait, and the first rows as an Arrow IPC stream.

        The stream is None where no rows are wanted or there are none, and empty where the result was deleted.

        Args:
            principal: the caller.
            request: the statement.
            prepared: its parse, where there is one already.

        Raises:
            BadRequest: it does not parse, is not allowed, or names a run that does not exist.
            Forbidden: the caller may only read, has not the privilege, or names another run than its own.
            Conflict: it drops a database that has volumes, or its idempotency key was used for another statement.
            NotFound: the workspace has no such warehouse.
            QuotaExceeded: too many statements wait on the warehouse.
        """
        workspace = self._workspace(principal)
        request = replace(request, plan=replace(request.plan, subject=principal.subject))
        warehouse = await self._warehouses.get(principal, request.warehouse)
        if prepared:
            parsed = Parsed.of(request.plan, prepared.statement, plan=prepared.plan)
        else:
            parsed = await self._planner.parse(request.plan, workspace)
        if parsed.statement.needs_editor and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only read; {parsed.statement.command} writes.")
        check_privileges(principal.access, parsed.statement)
        if parsed.statement.dropped_namespace and not await self._is_repeated(principal, workspace, request):
            await self._volumes.refuse_to_drop(principal, parsed.statement.dropped_namespace)
        if parsed.statement.grant and not await self._is_repeated(principal, workspace, request):
            await self._grants.change(principal, parsed.statement.grant)
        run_uid = await self._run_uid(principal, request.run)
        self._executor.check_room(warehouse.metadata.uid)
        values = self._record(principal, workspace, warehouse, parsed, request, run_uid)
        wants_rows = request.wants_rows and request.wait_seconds > 0
        execution = self._executor.start(values, parsed, INLINE_ROWS if wants_rows else 0)
        try:
            await execution.recorded
        except DuplicateStatementError as error:
            return await self._repeated(principal, workspace, request, values, error)
        return await self._awaited(execution, request)

    async def get(self, principal: Principal, statement_id: str) -> Statement:
        """Return a statement.

        Raises:
            NotFound: the workspace has none of this id.
        """
        found = await self._repository.get(self._workspace(principal).metadata.uid, statement_id)
        return _shown(principal, found)

    async def ended(self, principal: Principal, statement_id: str, seconds: float) -> tuple[Statement, bytes | None]:
        """Wait for a statement's end, and return it with the first rows, where this process ran it.

        It may not have ended: after so many seconds, or when the process is about to end.

        Raises:
            NotFound: the workspace has none of this id.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + seconds
        if execution := self._executor.find(statement_id):
            await self._wait(execution, seconds)
            return await self._current(execution), execution.inline
        while True:
            statement = await self.get(principal, statement_id)
            if statement.status in FINAL_PHASES or clock() > give_up or self._executor.closing.is_set():
                return statement, None
            await asyncio.sleep(POLL_SECONDS)

    async def cancel(self, principal: Principal, statement_id: str) -> Statement:
        """Stop a statement, and return it after a moment; one that has ended is not changed.

        Raises:
            Forbidden: it is another user's, and the caller may only read.
        """
        statement = await self.get(principal, statement_id)
        if statement.person != principal.person and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only cancel statements of your own.")
        await self._executor.cancel(statement)
        give_up = asyncio.get_running_loop().time() + CANCEL_SECONDS
        while statement.status not in FINAL_PHASES and asyncio.get_running_loop().time() < give_up:
            await asyncio.sleep(POLL_SECONDS)
            statement = await self.get(principal, statement_id)
        return statement

    async def result(self, principal: Principal, statement_id: str) -> tuple[Statement, Result]:
        """Return a statement that has a result, and the result.

        Raises:
            Conflict: it has not ended, or has failed.
            BadRequest: it is of a kind that has no result.
            NotFound: its result no longer exists.
        """
        workspace_uid = self._workspace(principal).metadata.uid
        statement = _shown(principal, await self._repository.get_with_content(workspace_uid, statement_id))
        if statement.status in ("failed", "cancelled"):
            raise Conflict(f"Results not available: statement {statement_id} {_ended(statement)}")
        if statement.status != "succeeded":
            raise Conflict(f"Results not available: statement {statement_id} is {statement.status}.")
        if statement.result_schema is None:
            raise BadRequest(f"Results not available: statement {statement_id} is of a kind that returns no rows.")
        if statement.result is None:
            raise NotFound(GONE)
        return statement, Result(ResultIndex.from_json(statement.result), statement.result_content)

    async def first_rows(self, principal: Principal, statement: Statement, inline: bytes | None) -> FirstRows | None:
        """Return the first rows of a statement that has ended; None where it has no result.

        Args:
            principal: the caller.
            statement: the statement.
            inline: an Arrow IPC stream that came with its end; what it lacks is read from the result.
        """
        if statement.status != "succeeded" or statement.result_schema is None:
            return None
        total = statement.rows_produced or 0
        wanted = min(total, INLINE_ROWS)
        count, rows = rows_of_stream(inline) if inline else (-1, b"")
        if count < wanted:
            _, result = await self.result(principal, statement.id)
            pieces = await self.json_rows(result, 0, wanted)
            count, rows = wanted, b"".join([piece async for piece in pieces])
        return FirstRows(
            columns=[column["name"] for column in statement.result_schema],
            column_types=[column["type"] for column in statement.result_schema],
            json=b"[" + rows + b"]",
            truncated=count < total,
        )

    async def json_rows(self, result: Result, start: int, count: int | None) -> AsyncIterator[bytes]:
        """Start to read rows of a result as JSON; see ResultStore.json_rows."""
        return await self._results.json_rows(result, start, count)

    async def arrow(self, result: Result) -> AsyncIterator[bytes]:
        """Start to read a result as it is stored; see ResultStore.stream."""
        return await self._results.stream(result)

    async def link(self, principal: Principal, result: Result) -> str:
        """Return a URL at which the caller can read a result from the object store."""
        is_inside = principal.kind == "run"
        return await (self._results.internal_url(result) if is_inside else self._results.external_url(result))

    def _workspace(self, principal: Principal) -> Workspace:
        return self._workspaces.existing(principal.workspace)

    def _record(
        self,
        principal: Principal,
        workspace: Workspace,
        warehouse: Warehouse,
        parsed: Parsed,
        request: ExecuteRequest,
        run_uid: str | None,
    ) -> dict[str, Any]:
        return {
            "id": identifiers.new_id(),
            "workspace": workspace.metadata.name,
            "workspace_uid": workspace.metadata.uid,
            "warehouse": warehouse.metadata.name,
            "warehouse_uid": warehouse.metadata.uid,
            "person": principal.person,
            "idempotency_key": request.idempotency_key,
            "query": request.plan.query,
            "dialect": request.plan.dialect,
            "request": parsed.request.stored(),
            "is_write": parsed.is_write,
            "status": "pending",
            "is_dispatched": False,
            "attempts": 0,
            "submitted_at": now(),
            "truncated": False,
            "run_uid": run_uid,
            "context": request.context,
            "cancel_requested": False,
            "is_accepted": False,
            **self._executor.lease(),
        }

    async def _run_uid(self, principal: Principal, run_id: str | None) -> str | None:
        if not run_id:
            return principal.run_uid
        try:
            run = await self._runs.get(principal, run_id)
        except NotFound as error:
            raise BadRequest(
                f"Field lineage_run_id: there is no run {run_id} in workspace {principal.workspace}."
            ) from error
        if principal.run_uid not in (None, run.metadata.uid):
            raise Forbidden("A run's token can name that run only in lineage_run_id.")
        return run.metadata.uid

    async def _is_repeated(self, principal: Principal, workspace: Workspace, request: ExecuteRequest) -> bool:
        """Return whether a statement with the request's idempotency key was recorded before."""
        if not (key := request.idempotency_key):
            return False
        uid = workspace.metadata.uid
        return await self._repository.by_idempotency_key(uid, principal.person, key) is not None

    async def _repeated(
        self,
        principal: Principal,
        workspace: Workspace,
        request: ExecuteRequest,
        values: Mapping[str, Any],
        error: DuplicateStatementError,
    ) -> tuple[Statement, bytes | None]:
        """Answer a request whose idempotency key was used before; `values` are the record that it would have."""
        key = request.idempotency_key or ""
        found = await self._repository.by_idempotency_key(workspace.metadata.uid, principal.person, key)
        if found is None:
            raise Unavailable from error
        if any(getattr(found, name) != values[name] for name in _REQUESTED):
            raise Conflict("The idempotency key was used for another statement.") from error
        if (execution := self._executor.find(found.id)) and execution.is_recorded:
            return await self._awaited(execution, request)
        if found.status not in FINAL_PHASES and not await self._repository.accept_again(found.id):
            found = await self._repository.get(found.workspace_uid, found.id)  # it ended meanwhile
            if found.idempotency_key != key:  # it was refused, and the key is free again
                raise Unavailable from error
        return await self._with_rows(found, None, request)

    async def _awaited(self, execution: Execution, request: ExecuteRequest) -> tuple[Statement, bytes | None]:
        """Return a statement after the request's wait, with its first rows."""
        await self._wait(execution, request.wait_seconds)
        statement = await self._current(execution)
        if statement.status not in FINAL_PHASES:
            await self._executor.accept(execution)
        return await self._with_rows(statement, execution.inline, request)

    async def _with_rows(
        self, statement: Statement, inline: bytes | None, request: ExecuteRequest
    ) -> tuple[Statement, bytes | None]:
        """Return a statement with its first rows, for those who want them.

        Where they did not come with its end, as another process or an earlier request ran it, they are read; there are
        none when the result was deleted.
        """
        has_rows = statement.status == "succeeded" and statement.result_schema is not None
        if inline is not None or not has_rows or not request.wants_rows:
            return statement, inline
        stored = await self._repository.get_with_content(statement.workspace_uid, statement.id)
        if stored.result is None:
            return statement, b""
        result = Result(ResultIndex.from_json(stored.result), stored.result_content)
        return statement, await self._results.first_rows(result, INLINE_ROWS, INLINE_BYTES)

    async def _wait(self, execution: Execution, seconds: float) -> None:
        """Wait for a statement's end, or for this process's: another one then continues it."""
        if not seconds:
            return
        ended = asyncio.ensure_future(execution.ended.wait())
        closing = asyncio.ensure_future(self._executor.closing.wait())
        with suppress(TimeoutError):
            try:
                await asyncio.wait((ended, closing), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ended.cancel()
                closing.cancel()

    async def _current(self, execution: Execution) -> Statement:
        """Return a statement's record; from the database where this process no longer runs it."""
        statement = execution.statement
        if execution.ended.is_set() and statement.status not in FINAL_PHASES:
            return await self._repository.get(statement.workspace_uid, statement.id)
        return statement


def _shown(principal: Principal, statement: Statement) -> Statement:
    """Return a statement that the caller may see: whom grants limit sees their own only, for its text and rows tell.

    Raises:
        NotFound: it is another's.
    """
    if principal.access.is_limited and statement.person != principal.person:
        raise NotFound(f"There is no statement {statement.id}.")
    return statement


def _ended(statement: Statement) -> str:
    return "was cancelled." if statement.status == "cancelled" else f"failed: {statement.error_message}"
