"""Logs of runs and tasks (API reference, "Runs & tasks"): a JSON list, plain text, or server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from fastapi.responses import Response, StreamingResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from icefield_apiserver.core.errors import UNAVAILABLE, Unavailable
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.objects.transfers import ObjectStoreError
from icefield_apiserver.core.routes import Router
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.identity.dependencies import CurrentPrincipal
from icefield_crds import Run

from .entry import Entry
from .schemas import LogLine
from .service import LogService, are_complete, check_task

log = logging.getLogger(__name__)

MAX_TAIL = 10_000
CHUNK_BYTES = 64 * 1024
HEARTBEAT_SECONDS = 15
SEND_SECONDS = 60
COMPLETE_HEADER = "X-Logs-Complete"

router = Router(prefix="/runs", tags=["Runs & tasks"])

Logs = Annotated[LogService, Depends(provided(LogService))]
Runs = Annotated[RunService, Depends(provided(RunService))]

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": list[LogLine],
        "description": "Lines by time: a JSON list, plain text if `Accept` requests it, or events with `follow`.",
        "content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "text/event-stream")},
        "headers": {
            COMPLETE_HEADER: {
                "description": "`false` when lines are missing, which a line of the log says; absent while not known.",
                "schema": {"type": "boolean"},
            }
        },
    }
}


class LogQuery:
    """Which lines, and in which form.

    Args:
        tail: only this many of the last lines.
        follow: continue until the task or the run has ended.
        accept: text/plain requests messages only.
    """

    def __init__(
        self,
        tail: Annotated[int | None, Query(ge=0, le=MAX_TAIL, description="Only this many of the last lines.")] = None,
        follow: Annotated[bool, Query(description="Server-sent events: a line each, then one event `end`.")] = False,
        accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    ) -> None:
        self.tail = tail
        self.follow = follow
        self.as_text = "text/plain" in accept and "application/json" not in accept


CurrentQuery = Annotated[LogQuery, Depends()]


@router.get("/{id}/logs", summary="Read a run's logs", response_model=None, responses=RESPONSES)
async def read_run_logs(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002 - as the reference has it
    query: CurrentQuery,
    runs: Runs,
    logs: Logs,
) -> Response:
    """Return the lines of all tasks, by time."""
    run = await runs.get(principal, id)
    return await _answer(run, None, query, runs, logs)


@router.get("/{id}/tasks/{key}/logs", summary="Read a task's logs", response_model=None, responses=RESPONSES)
async def read_task_logs(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    key: str,
    query: CurrentQuery,
    runs: Runs,
    logs: Logs,
) -> Response:
    """Return the lines of one task, including those of earlier attempts; none for a task that has not started."""
    run = await runs.get(principal, id)
    check_task(run, key)
    return await _answer(run, key, query, runs, logs)


async def _answer(run: Run, task: str | None, query: LogQuery, runs: RunService, logs: LogService) -> Response:
    if query.follow:
        batches = logs.follow(run, task, query.tail)
        # Not waiting for a first line here: it may be written in an hour.
        return EventSourceResponse(_events(batches, run, task, runs), ping=HEARTBEAT_SECONDS, send_timeout=SEND_SECONDS)
    lines = await _opened(logs.read(run, task, query.tail))
    complete = are_complete(run, task)
    headers = {} if complete is None else {COMPLETE_HEADER: json.dumps(complete)}
    if query.as_text:
        return StreamingResponse(_in_chunks(_text(lines)), media_type="text/plain; charset=utf-8", headers=headers)
    return StreamingResponse(_in_chunks(_json(lines)), media_type="application/json", headers=headers)


async def _opened(lines: AsyncIterator[Entry]) -> AsyncIterator[Entry]:
    """Read the first line before the response starts: an unavailable store is then a 503 instead of a broken body."""
    try:
        first = await anext(lines, None)
    except ObjectStoreError as error:
        raise Unavailable("The archive of logs cannot be reached at the moment; try again shortly.") from error

    async def again() -> AsyncIterator[Entry]:
        if first:
            yield first
            async for line in lines:
                yield line

    return again()


async def _json(lines: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    separator = b"["
    async for line in lines:
        yield separator + line.json
        separator = b",\n"
    yield b"]" if separator != b"[" else b"[]"


async def _text(lines: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    before: tuple[str, int] | None = None
    async for line in lines:
        source = line.task, line.attempt
        is_rest = line.continues and source == before
        yield (b"" if before is None or is_rest else b"\n") + line.message.encode(errors="replace")
        before = source
    yield b"" if before is None else b"\n"


async def _in_chunks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    chunk = bytearray()
    async for piece in pieces:
        chunk += piece
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


async def _events(
    batches: AsyncGenerator[list[Entry], None], run: Run, task: str | None, runs: RunService
) -> AsyncIterator[ServerSentEvent | bytes]:
    try:
        async with aclosing(batches):
            async for lines in batches:
                for chunk in _event_chunks(lines):
                    yield chunk
    except Exception:
        log.exception("following the log of run %s failed", run.public_id)
        yield ServerSentEvent(json.dumps({"error": UNAVAILABLE}), event="error")
        return
    now = runs.latest(run) or run
    status: str = now.phase.value
    if task and now.status:
        status = next((t.status.value for t in now.status.tasks if t.key == task), status)
    complete = are_complete(now, task)
    end = {"status": status} if complete is None else {"status": status, "logs_complete": complete}
    yield ServerSentEvent(json.dumps(end), event="end")


def _event_chunks(lines: list[Entry]) -> Iterator[bytes]:
    """Yield an event for each line; JSON has no newlines, and so needs no splitting into fields."""
    chunk = bytearray()
    for line in lines:
        chunk += b"data: %b\r\n\r\n" % line.json
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
