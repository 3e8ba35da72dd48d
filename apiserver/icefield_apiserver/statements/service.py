"""Takes in statements of callers, and answers about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from icefield_apiserver.db.models import Statement, now
from icefield_apiserver.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from icefield_apiserver.identity.membership import WorkspaceDirectory
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.pagination import Window
from icefield_apiserver.repositories.runs import RunRepository
from icefield_apiserver.repositories.warehouses import WarehouseRepository
from icefield_apiserver.schemas.statements import Execute
from icefield_crds import Role, Warehouse, Workspace

from . import identifiers
from .execution import Execution
from .executor import Executor
from .gateway import TERMINAL
from .planning import Parsed, Planner, Request
from .repository import DuplicateStatementError, Filters, StatementRepository
from .results import GONE, Result, ResultStore

INLINE_ROWS = 10_000
"""Most rows of the answer to POST /sql/execute itself."""
CANCEL_SECONDS = 5.0
"""How long a cancel waits for the engine to have stopped."""
LOOK_SECONDS = 0.25


class Statements:
    """Statements, each call inside the caller's workspace.

    Args:
        repository: their records.
        executor: runs them.
        planner: parses them.
        results: their results.
        warehouses: where they run.
        runs: what they are done for.
        workspaces: the Workspaces there are.
    """

    def __init__(
        self,
        repository: StatementRepository,
        executor: Executor,
        planner: Planner,
        results: ResultStore,
        warehouses: WarehouseRepository,
        runs: RunRepository,
        workspaces: WorkspaceDirectory,
    ) -> None:
        self._repository = repository
        self._executor = executor
        self._planner = planner
        self._results = results
        self._warehouses = warehouses
        self._runs = runs
        self._workspaces = workspaces

    async def execute(
        self, principal: Principal, body: Execute, idempotency_key: str | None
    ) -> tuple[Statement, bytes | None]:
        """Run a statement; return it as it stands after the wait, and the first rows as an Arrow IPC stream.

        Raises:
            BadRequest: it does not parse, is not allowed, or names a run that is not there.
            Forbidden: the caller may only read, or names another run than its own.
            NotFound: the workspace has no such warehouse.
            QuotaExceeded: too many statements wait on the warehouse.
        """
        workspace = self._workspace(principal)
        warehouse = await self._warehouses.get(principal, body.warehouse_id)
        request = Request(body.query, body.dialect, body.schema_, body.params, body.engine, body.row_limit)
        parsed = await self._planner.parse(request, workspace)
        if parsed.is_write and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only read; {parsed.statement.command} writes.")
        run_uid = await self._run_uid(principal, body.lineage_run_id)
        self._executor.check_room(warehouse.metadata.uid)
        values = self._record(principal, workspace, warehouse, parsed, body, run_uid, idempotency_key)
        wants_rows = body.format == "json" and body.wait_timeout > 0
        execution = self._executor.begin(values, parsed, INLINE_ROWS if wants_rows else 0)
        try:
            await execution.recorded
        except DuplicateStatementError as error:
            return await self._repeated(principal, workspace, body, idempotency_key or "", error)
        await self._wait(execution, body.wait_timeout)
        return await self._now(execution), execution.inline

    async def get(self, principal: Principal, statement_id: str) -> Statement:
        """Return a statement.

        Raises:
            NotFound: the workspace has none of this id.
        """
        return await self._repository.get(self._workspace(principal).metadata.uid, statement_id)

    async def ended(self, principal: Principal, statement_id: str, seconds: float) -> tuple[Statement, bytes | None]:
        """Wait for a statement's end, and return it with the first rows, where this process saw to it.

        It has not ended when so many seconds have passed, and when the process is about to end.

        Raises:
            NotFound: the workspace has none of this id.
        """
        clock = asyncio.get_running_loop().time
        give_up = clock() + seconds
        if execution := self._executor.find(statement_id):
            await self._wait(execution, seconds)
            return await self._now(execution), execution.inline
        while True:
            statement = await self.get(principal, statement_id)
            if statement.status in TERMINAL or clock() > give_up or self._executor.closing.is_set():
                return statement, None
            await asyncio.sleep(LOOK_SECONDS)

    async def page(self, principal: Principal, filters: Filters, window: Window, before: str | None) -> list[Statement]:
        """Return statements, newest first, and one more than the window's limit where there are more."""
        return list(await self._repository.page(self._workspace(principal).metadata.uid, filters, window, before))

    async def cancel(self, principal: Principal, statement_id: str) -> Statement:
        """Have a statement stopped, and return it as it stands after a moment; one that has ended stays as it is.

        Raises:
            Forbidden: it is somebody else's, and the caller may only read.
        """
        statement = await self.get(principal, statement_id)
        if statement.person != principal.person and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only cancel statements of your own.")
        await self._executor.cancel(statement)
        give_up = asyncio.get_running_loop().time() + CANCEL_SECONDS
        while statement.status not in TERMINAL and asyncio.get_running_loop().time() < give_up:
            await asyncio.sleep(LOOK_SECONDS)
            statement = await self.get(principal, statement_id)
        return statement

    async def result(self, principal: Principal, statement_id: str) -> tuple[Statement, Result]:
        """Return a statement that has a result, and where that lies.

        Raises:
            Conflict: it has not ended, or has failed.
            BadRequest: it is of a kind that has no result.
            NotFound: its result is not there any more.
        """
        statement = await self.get(principal, statement_id)
        if statement.status in ("failed", "cancelled"):
            raise Conflict(f"Results not available: statement {statement_id} {_ended(statement)}")
        if statement.status != "succeeded":
            raise Conflict(f"Results not available: statement {statement_id} is {statement.status}.")
        if statement.result_schema is None:
            raise BadRequest(f"Results not available: statement {statement_id} is of a kind that returns no rows.")
        if statement.result is None:
            raise NotFound(GONE)
        return statement, Result.of(statement.result)

    async def json_rows(self, result: Result, start: int, count: int | None) -> AsyncIterator[bytes]:
        """Begin to read rows of a result as JSON; see ResultStore.json_rows."""
        return await self._results.json_rows(result, start, count)

    async def arrow(self, result: Result) -> AsyncIterator[bytes]:
        """Begin to read a result as it lies in the store; see ResultStore.stream."""
        return await self._results.stream(result)

    async def link(self, principal: Principal, result: Result) -> str:
        """Return a URL at which the object store itself hands out a result, as the caller can reach it."""
        is_inside = principal.kind == "run"
        return await (self._results.inside_link(result) if is_inside else self._results.outside_link(result))

    async def filters(
        self,
        principal: Principal,
        *,
        status: str | None,
        warehouse: str | None,
        person: str | None,
        since: Any,
        run: str | None,
    ) -> Filters:
        """Return the filters that a caller named; what it names need not exist any more."""
        return Filters(
            status=status,
            warehouse=await self._warehouse_uid(principal, warehouse) if warehouse else None,
            person=person,
            first_id=identifiers.first_id(since) if since else None,
            run_uid=await self._run_prefix(principal, run) if run else None,
        )

    def _workspace(self, principal: Principal) -> Workspace:
        workspace = self._workspaces.get(principal.workspace)
        if workspace is None:
            raise NotFound(f"There is no workspace called {principal.workspace}.")
        return workspace

    def _record(
        self,
        principal: Principal,
        workspace: Workspace,
        warehouse: Warehouse,
        parsed: Parsed,
        body: Execute,
        run_uid: str | None,
        idempotency_key: str | None,
    ) -> dict[str, Any]:
        return {
            "id": identifiers.new_id(),
            "workspace": workspace.metadata.name,
            "workspace_uid": workspace.metadata.uid,
            "warehouse": warehouse.metadata.name,
            "warehouse_uid": warehouse.metadata.uid,
            "person": principal.person,
            "idempotency_key": idempotency_key,
            "query": body.query,
            "dialect": body.dialect,
            "request": parsed.request.stored(),
            "is_write": parsed.is_write,
            "status": "pending",
            "is_dispatched": False,
            "attempts": 0,
            "submitted_at": now(),
            "truncated": False,
            "run_uid": run_uid,
            "context": body.lineage_context,
            "cancel_requested": False,
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
            ) from (error)
        if principal.run_uid not in (None, run.metadata.uid):
            raise Forbidden("A run's token can name that run only in lineage_run_id.")
        return run.metadata.uid

    async def _repeated(
        self,
        principal: Principal,
        workspace: Workspace,
        body: Execute,
        key: str,
        error: DuplicateStatementError,
    ) -> tuple[Statement, bytes | None]:
        """Answer a request that was made before."""
        found = await self._repository.by_idempotency_key(workspace.metadata.uid, principal.person, key)
        if found is None:
            raise Unavailable from error
        if found.query != body.query:
            raise Conflict("The idempotency key was used for another statement.") from error
        if execution := self._executor.find(found.id):
            await self._wait(execution, body.wait_timeout)
            return await self._now(execution), execution.inline
        return found, None

    async def _wait(self, execution: Execution, seconds: float) -> None:
        """Wait for a statement's end; or for this process's, for then others go on with it."""
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

    async def _now(self, execution: Execution) -> Statement:
        """Return a statement as it stands, asking the database where this process does not see to it any more."""
        statement = execution.statement
        if execution.ended.is_set() and statement.status not in TERMINAL:
            return await self._repository.get(statement.workspace_uid, statement.id)
        return statement

    async def _warehouse_uid(self, principal: Principal, id_or_name: str) -> tuple[str | None, str]:
        try:
            return (await self._warehouses.get(principal, id_or_name)).metadata.uid, id_or_name
        except NotFound:
            return None, id_or_name

    async def _run_prefix(self, principal: Principal, id_or_name: str) -> str:
        """Return what the run's uid begins with: of one that was deleted, only its public id is known."""
        try:
            return (await self._runs.get(principal, id_or_name)).metadata.uid
        except NotFound:
            hexes = id_or_name.removeprefix("run_")
            return f"{hexes[:8]}-{hexes[8:12]}"


def _ended(statement: Statement) -> str:
    return "was cancelled." if statement.status == "cancelled" else f"failed: {statement.error_message}"
