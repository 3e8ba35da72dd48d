"""SQL statements (API reference, "SQL warehouses")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from icefield_apiserver.core.bodies import MIB
from icefield_apiserver.core.db.pages import after_text, page_of_rows
from icefield_apiserver.core.dependencies import IdempotencyKey
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentWindow, Page, decode_cursor, encode_cursor
from icefield_apiserver.core.routes import Router
from icefield_apiserver.features.statements.service import StatementService
from icefield_apiserver.identity.dependencies import CurrentPrincipal
from icefield_crds.wire.gateway import FINAL_PHASES, ResultIndex

from .history import StatementHistory
from .responses import executed, submitted
from .results import ARROW, as_json
from .schemas import Execute, Executed, Results, StatementRead, StatementStatus, Submitted, request_of, statement_of

router = Router(prefix="/sql", tags=["SQL statements"])

CurrentStatements = Annotated[StatementService, Depends(provided(StatementService))]
CurrentHistory = Annotated[StatementHistory, Depends(provided(StatementHistory))]

JSON = "application/json"
MAX_PAGE_ROWS = 100_000
MAX_BODY_BYTES = 16 * MIB
"""Longest statement with the values of its parameters."""

Id = Annotated[str, Path(max_length=64, description="Id of the statement.")]


@router.post(
    "/execute",
    max_body_size=MAX_BODY_BYTES,
    response_model=Executed,
    responses={202: {"model": Submitted, "description": "It has not ended within wait_timeout."}},
    summary="Run a SQL statement",
)
async def execute_statement(
    principal: CurrentPrincipal,
    body: Execute,
    statements: CurrentStatements,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Run one statement. What does not parse is 400; what fails while running is 200 with status failed.

    A stopped warehouse is started. The rows here are the first ten thousand, or two mebibytes; `results` and `arrow` of
    the statement have all of them, for a day.
    """
    statement, rows = await statements.execute(principal, request_of(body, idempotency_key))
    if statement.status in FINAL_PHASES:
        return Response(executed(statement, rows), media_type=JSON)
    location = {"Location": f"/api/v1/sql/statements/{statement.id}"}
    return Response(submitted(statement), status_code=202, media_type=JSON, headers=location)


@router.get("/statements", summary="List statements")
async def list_statements(
    principal: CurrentPrincipal,
    window: CurrentWindow,
    history: CurrentHistory,
    status: Annotated[StatementStatus | None, Query(description="Only statements with this status.")] = None,
    warehouse: Annotated[
        str | None, Query(max_length=253, description="Only those of this warehouse, by id or name.")
    ] = None,
    person: Annotated[str | None, Query(max_length=253, description="Only those of this user.")] = None,
    since: Annotated[datetime | None, Query(description="Only those submitted then or later.")] = None,
    run: Annotated[str | None, Query(max_length=253, description="Only those of this run, by id or name.")] = None,
) -> Page[StatementRead]:
    """Return the workspace's statements, newest first."""
    moment = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    filters = await history.filters(principal, status=status, warehouse=warehouse, person=person, since=moment, run=run)
    rows = await history.page(principal, filters, window, after_text(window))
    return page_of_rows(rows, window, lambda statement: statement.id, statement_of)


@router.get("/statements/{id}", summary="Read a statement")
async def read_statement(
    principal: CurrentPrincipal,
    id: Id,  # noqa: A002
    statements: CurrentStatements,
) -> StatementRead:
    """Return a statement."""
    return statement_of(await statements.get(principal, id))


@router.post("/statements/{id}/cancel", summary="Cancel a statement")
async def cancel_statement(
    principal: CurrentPrincipal,
    id: Id,  # noqa: A002
    statements: CurrentStatements,
) -> StatementRead:
    """Stop a statement and its engine; one that has ended is not changed."""
    return statement_of(await statements.cancel(principal, id))


@router.get("/statements/{id}/results", response_model=Results, summary="Read the rows of a statement")
async def read_results(
    principal: CurrentPrincipal,
    id: Id,  # noqa: A002
    statements: CurrentStatements,
    limit: Annotated[
        int | None, Query(ge=1, le=MAX_PAGE_ROWS, description="Most rows of one page; all rows without.")
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=1024, description="next_cursor of the page before; the first page without.")
    ] = None,
) -> Response:
    """Return the rows as JSON; without a limit all of them, as a stream.

    Integers are numbers of any size, decimals strings, times ISO 8601, binary base64, NaN and infinities strings, maps
    lists of pairs.
    """
    statement, result = await statements.result(principal, id)
    start = _start_of(cursor, result.index)
    rows = await statements.json_rows(result, start, limit)
    head: dict[str, Any] = {"schema": statement.result_schema, "rows_produced": result.index.rows}
    if limit is not None and start + limit < result.index.rows:
        head["next_cursor"] = encode_cursor((start + limit,))
    return StreamingResponse(_page(as_json(head), rows), media_type=JSON)


@router.get(
    "/statements/{id}/arrow",
    response_class=Response,
    responses={
        200: {
            "description": "An Arrow IPC stream.",
            "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}},
        },
        307: {"description": "With `redirect`: where the object store hands it out."},
    },
    summary="Read the rows of a statement as Arrow",
)
async def read_arrow(
    principal: CurrentPrincipal,
    id: Id,  # noqa: A002
    statements: CurrentStatements,
    redirect: Annotated[
        bool, Query(description="Answer with a link that is good for five minutes, instead of passing the stream on.")
    ] = False,
) -> Response:
    """Return the whole result as an Arrow IPC stream.

    With `redirect=true` the object store hands it out itself, which is faster for large results; the client must be
    able to reach the store, and follow redirects.
    """
    _, result = await statements.result(principal, id)
    if redirect:
        return RedirectResponse(await statements.link(principal, result), 307)
    length = {"Content-Length": str(result.index.size)}
    return StreamingResponse(await statements.arrow(result), media_type=ARROW, headers=length)


def _start_of(cursor: str | None, result: ResultIndex) -> int:
    if cursor is None:
        return 0
    key = decode_cursor(cursor)
    if len(key) != 1 or not isinstance(key[0], int) or not 0 <= key[0] <= result.rows:
        raise BadRequest("The cursor belongs to another list.")
    return key[0]


async def _page(head: bytes, rows: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head[:-1] + b',"data":['
    async for piece in rows:
        yield piece
    yield b"]}"
