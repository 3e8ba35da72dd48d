"""Statements in the database.

A statement that has not ended belongs to one server process, its owner, for as long as the lease lasts. Every change
names the owner, so a process that lost its lease changes nothing.

The answer to the INSERT of a record may be lost: the owner then tells its caller that it failed, though the record is
stored. So a record is accepted only by the owner's next change of it, and one that was never accepted is never run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Executable, Select, Table, Update, bindparam, case, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from sqlalchemy.orm.interfaces import ORMOption

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.db.distinct import distinct_values
from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.core.pagination import Window

from .identifiers import is_id
from .models import Statement

ACTIVE = ("pending", "running")
Values = Mapping[str, Any]

_TABLE = cast(Table, Statement.__table__)
_INSERT = insert(_TABLE)
_FINAL = (
    "status",
    "engine",
    "error_code",
    "error_message",
    "started_at",
    "finished_at",
    "duration_ms",
    "rows_produced",
    "truncated",
    "result_schema",
    "result",
    "result_content",
    "expires_at",
    "lineage",
)
"""The columns of a final status. Every statement executes this UPDATE, so it is built once."""
_FINISH = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("id_"), _TABLE.c.owner == bindparam("owner_"), _TABLE.c.finished_at.is_(None))
    .values({name: bindparam(name) for name in _FINAL})
)


@dataclass(frozen=True)
class Filters:
    """Which statements of a workspace to list; None for any.

    Attributes:
        warehouse: (metadata.uid, or None; metadata.name) of a warehouse; of a deleted one only the name is known.
        first_id: the smallest id.
        run_uid: prefix of the metadata.uid of the run.
    """

    status: str | None = None
    warehouse: tuple[str | None, str] | None = None
    person: str | None = None
    first_id: str | None = None
    run_uid: str | None = None


class StatementRepository:
    """Reads and writes statements.

    Args:
        db: where they are.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def insert(self, values: Values) -> None:
        """Store a new statement.

        Raises:
            DuplicateStatementError: the person's idempotency key has one already.
        """
        try:
            await self._db.execute(_INSERT, values)
        except IntegrityError as error:
            if await self._is_stored(values):  # by the first of two attempts
                return
            raise DuplicateStatementError from error

    async def by_idempotency_key(self, workspace_uid: str, person: str, key: str) -> Statement | None:
        """Return the statement that was made for a person's idempotency key."""
        query = select(Statement).where(
            Statement.workspace_uid == workspace_uid, Statement.person == person, Statement.idempotency_key == key
        )
        return await self._one(query)

    async def get(self, workspace_uid: str, statement_id: str) -> Statement:
        """Return a statement of a workspace.

        Raises:
            NotFound: the workspace has none of this id.
        """
        return await self._existing(workspace_uid, statement_id)

    async def get_with_content(self, workspace_uid: str, statement_id: str) -> Statement:
        """Return a statement of a workspace with the content of its result.

        Raises:
            NotFound: the workspace has none of this id.
        """
        return await self._existing(workspace_uid, statement_id, undefer(Statement.result_content))

    async def page(
        self, workspace_uid: str, filters: Filters, window: Window, before: str | None
    ) -> Sequence[Statement]:
        """Return statements of a workspace, newest first, and one more than the window's limit where there are more.

        Args:
            workspace_uid: metadata.uid of the workspace.
            filters: which.
            window: how many.
            before: the page starts after this id.
        """
        query = select(Statement).where(Statement.workspace_uid == workspace_uid)
        if filters.status:
            query = query.where(Statement.status == filters.status)
        if filters.warehouse:
            uid, name = filters.warehouse
            query = query.where(Statement.warehouse_uid == uid if uid else Statement.warehouse == name)
        if filters.person:
            query = query.where(Statement.person == filters.person)
        if filters.first_id:
            query = query.where(Statement.id >= filters.first_id)
        if filters.run_uid:
            query = query.where(Statement.run_uid.startswith(filters.run_uid, autoescape=True))
        if before:
            query = query.where(Statement.id < before)
        async with self._db.session() as session:
            return (await session.scalars(query.order_by(Statement.id.desc()).limit(window.limit + 1))).all()

    async def change(self, statement_id: str, owner: str, values: Values) -> bool:
        """Change a statement that has not ended, and accept it; return whether it is (still) the owner's."""
        return await self._db.execute(_owned(statement_id, owner).values({**values, "is_accepted": True})) == 1

    async def accept(self, statement_id: str) -> bool:
        """Record that a statement is accepted, before its id is returned; return whether it has not ended."""
        change = update(Statement).where(Statement.id == statement_id, Statement.status.in_(ACTIVE))
        return await self._db.execute(change.values(is_accepted=True)) == 1

    async def finish(self, statement_id: str, owner: str, values: Values, more: Sequence[Executable]) -> bool:
        """Change a statement for the last time, and return whether it was (still) the owner's.

        Args:
            statement_id: which.
            owner: whose it should be.
            values: its final values; all of `_FINAL`.
            more: further statements of the same transaction.
        """
        named = {"id_": statement_id, "owner_": owner, **values}
        if not more:
            return await self._db.execute(_FINISH, named) == 1
        async with self._db.session() as session:
            if await _count(session, _FINISH, named) != 1:
                return False
            for statement in more:
                await session.execute(statement)
        return True

    async def request_cancel(self, statement_id: str) -> bool:
        """Record a request to cancel a statement, for its owner; return whether it has not ended."""
        change = update(Statement).where(Statement.id == statement_id, Statement.status.in_(ACTIVE))
        return await self._db.execute(change.values(cancel_requested=True)) == 1

    async def renew(self, owner: str, statement_ids: Sequence[str], lease_until: datetime) -> dict[str, bool]:
        """Renew leases of the owner, and accept the statements.

        Return the ids still its own, each with whether its cancellation was requested.
        """
        mine = Statement.id.in_(statement_ids), Statement.owner == owner, Statement.status.in_(ACTIVE)
        async with self._db.session() as session:
            await session.execute(update(Statement).where(*mine).values(lease_until=lease_until, is_accepted=True))
            rows = await session.execute(select(Statement.id, Statement.cancel_requested).where(*mine))
            return {row[0]: row[1] for row in rows}

    async def release(self, owner: str) -> None:
        """Release all leases of the owner, for others to adopt what has not ended."""
        change = update(Statement).where(Statement.owner == owner, Statement.status.in_(ACTIVE))
        await self._db.execute(change.values(lease_until=now()))

    async def adopt(
        self, owner: str, lease_until: datetime, limit: int, besides: Sequence[str] = ()
    ) -> list[Statement]:
        """Adopt statements whose lease expired, and return them.

        Args:
            owner: the new owner.
            lease_until: until when it holds them.
            limit: how many at most.
            besides: ids of statements that are left as they are.
        """
        lost = (
            Statement.status.in_(ACTIVE),
            Statement.lease_until < now(),
            Statement.is_accepted,
            Statement.id.not_in(besides),
        )
        async with self._db.session() as session:
            found = (await session.scalars(select(Statement).where(*lost).order_by(Statement.id).limit(limit))).all()
        adopted = []
        for statement in found:
            change = update(Statement).where(Statement.id == statement.id, Statement.owner == statement.owner, *lost)
            # Of several processes that found it, the first one's change leaves nothing for the others to change.
            if await self._db.execute(change.values(owner=owner, lease_until=lease_until)) == 1:
                statement.owner, statement.lease_until = owner, lease_until
                adopted.append(statement)
        return adopted

    async def accept_again(self, statement_id: str) -> bool:
        """Accept a statement whose first request may have been answered with an error; return whether it has not ended.

        What that request may have sent to a gateway is left behind: the statement has another id there.
        """
        change = update(Statement).where(Statement.id == statement_id, Statement.status.in_(ACTIVE))
        is_new = case((Statement.is_accepted.is_(False), 1), else_=0)
        return await self._db.execute(change.values(is_accepted=True, attempts=Statement.attempts + is_new)) == 1

    async def refuse_unaccepted(self, error_code: str, error_message: str) -> int:
        """End statements that were never accepted and whose lease expired; return how many.

        Their idempotency keys can be used again.
        """
        moment = now()
        lost = Statement.status.in_(ACTIVE), Statement.lease_until < moment, Statement.is_accepted.is_(False)
        ended = {"status": "failed", "finished_at": moment, "idempotency_key": None}
        change = update(Statement).where(*lost)
        return await self._db.execute(change.values(error_code=error_code, error_message=error_message, **ended))

    async def expired(self, limit: int) -> list[tuple[str, str]]:
        """Return (id, key) of expired results."""
        query = select(Statement.id, Statement.result).where(Statement.expires_at < now()).limit(limit)
        async with self._db.session() as session:
            return [(row[0], row[1]["key"] if row[1] else "") for row in await session.execute(query)]

    async def ended_before(self, workspace_uid: str, first_id: str, limit: int) -> list[tuple[str, str]]:
        """Return (id, key of the result or "") of statements that have ended and whose ids sort before one."""
        query = select(Statement.id, Statement.result).where(
            Statement.workspace_uid == workspace_uid, Statement.id < first_id, Statement.finished_at.is_not(None)
        )
        async with self._db.session() as session:
            return [(row[0], row[1]["key"] if row[1] else "") for row in await session.execute(query.limit(limit))]

    async def delete(self, statement_ids: Sequence[str]) -> None:
        """Delete records."""
        await self._db.execute(delete(Statement).where(Statement.id.in_(statement_ids)))

    async def workspace_uids(self) -> list[str]:
        """Return metadata.uid of each workspace that has records."""
        async with self._db.session() as session:
            return await distinct_values(session, Statement.workspace_uid)

    async def forget_result(self, statement_id: str) -> None:
        """Record that a statement's result was deleted."""
        change = update(Statement).where(Statement.id == statement_id)
        await self._db.execute(change.values(result=None, result_content=None, expires_at=None))

    async def workspaces_with_content(self) -> set[str]:
        """Return metadata.uid of each workspace with results in their records; reads what has not expired."""
        kept = Statement.expires_at.is_not(None), Statement.result_content.is_not(None)
        async with self._db.session() as session:
            return set(await session.scalars(select(Statement.workspace_uid).where(*kept).distinct()))

    async def forget_content(self, workspace_uid: str) -> None:
        """Delete the results in the records of a workspace that was deleted."""
        kept = Statement.workspace_uid == workspace_uid, Statement.result_content.is_not(None)
        await self._db.execute(update(Statement).where(*kept).values(result=None, result_content=None))

    async def _is_stored(self, values: Values) -> bool:
        return await self._db.one_row(select(_TABLE.c.id).where(_TABLE.c.id == values["id"])) is not None

    async def _existing(self, workspace_uid: str, statement_id: str, *options: ORMOption) -> Statement:
        query = select(Statement).where(Statement.id == statement_id, Statement.workspace_uid == workspace_uid)
        found = await self._one(query.options(*options)) if is_id(statement_id) else None
        if found is None:
            raise NotFound(f"There is no statement {statement_id} in this workspace.")
        return found

    async def _one(self, query: Select[Statement]) -> Statement | None:
        async with self._db.session() as session:
            return (await session.execute(query)).scalar_one_or_none()


class DuplicateStatementError(Exception):
    """The person's idempotency key has a statement already."""


def _owned(statement_id: str, owner: str) -> Update:
    return update(_TABLE).where(_TABLE.c.id == statement_id, _TABLE.c.owner == owner, _TABLE.c.finished_at.is_(None))


async def _count(session: AsyncSession, change: Update, values: Values) -> int:
    result = await session.execute(change, dict(values))
    assert isinstance(result, CursorResult)  # noqa: S101 - what an UPDATE returns
    return result.rowcount
