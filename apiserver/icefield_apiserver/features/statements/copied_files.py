"""Which statement loads, or has loaded, a file into a table: a file is claimed before it is loaded.

A claim counts as long as its statement runs. With the statement's end it becomes a loaded file, or goes, in the same
transaction; so a file is never lost between the two, nor loaded twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from sqlalchemy import Delete, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.core.db import Database
from icefield_sql import StoredFile

from .models import CopiedFile, Statement

T = TypeVar("T")

ACTIVE = ("pending", "running")
UNKNOWN = "OUTCOME_UNKNOWN"
_AT_ONCE = 500
_ATTEMPTS = 5


@dataclass(frozen=True)
class Claims:
    """What became of the claims of a statement.

    Attributes:
        mine: the files that it loads.
        loaded: how many were loaded before.
        waiting: whether another statement that runs loads some of them.
        doubtful: the path of a file, and the statement of which nobody knows whether it loaded it; None without one.
    """

    mine: tuple[StoredFile, ...] = ()
    loaded: int = 0
    waiting: bool = False
    doubtful: tuple[str, str] | None = None


@dataclass
class _Found:
    mine: set[str] = field(default_factory=set)
    loaded: set[str] = field(default_factory=set)
    others: dict[str, str] = field(default_factory=dict)


class CopiedFiles:
    """Claims files.

    Args:
        db: where the claims are.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def claim(
        self, statement_id: str, workspace_uid: str, table_uuid: str, files: Sequence[StoredFile], *, again: bool
    ) -> Claims:
        """Claim the files that no other statement has loaded or loads.

        Args:
            statement_id: the statement.
            workspace_uid: metadata.uid of its workspace.
            table_uuid: the table.
            files: the files.
            again: whether what was loaded before is loaded again.
        """
        ids = {file_id(file): file for file in files}
        for _ in range(_ATTEMPTS):
            try:
                async with self._db.session() as session:
                    return await _claim(session, statement_id, workspace_uid, table_uuid, ids, again)
            except IntegrityError:
                continue  # another statement claimed one meanwhile
        return Claims(waiting=True)


def file_id(file: StoredFile) -> str:
    """Return what identifies the content of a file at its address."""
    return hashlib.sha256(f"{file.url}\n{file.etag}".encode()).hexdigest()


def loaded(statement_id: str) -> Update:
    """Return what records that the files of a statement are loaded."""
    return update(CopiedFile).where(CopiedFile.statement_id == statement_id).values(is_loaded=True)


def given_up(statement_id: str) -> Delete:
    """Return what gives up the files that a statement did not load."""
    return delete(CopiedFile).where(CopiedFile.statement_id == statement_id, CopiedFile.is_loaded.is_(False))


async def _claim(
    session: AsyncSession,
    statement_id: str,
    workspace_uid: str,
    table_uuid: str,
    ids: Mapping[str, StoredFile],
    again: bool,
) -> Claims:
    found = await _find(session, statement_id, table_uuid, ids)
    doubtful = await _settle(session, table_uuid, found)
    if doubtful and not again:
        return Claims(doubtful=(ids[doubtful].path, found.others[doubtful]))
    if found.others and not again:
        return Claims(waiting=True)
    known = found.mine | found.loaded | set(found.others)
    rows = [
        {
            "table_uuid": table_uuid,
            "file_id": key,
            "workspace_uid": workspace_uid,
            "path": file.path,
            "statement_id": statement_id,
            "is_loaded": False,
        }
        for key, file in ids.items()
        if key not in known
    ]
    for part in _parts(rows):
        await session.execute(insert(CopiedFile), part)
    mine = tuple(file for key, file in ids.items() if again or key not in found.loaded)
    return Claims(mine, len(ids) - len(mine))


async def _find(session: AsyncSession, statement_id: str, table_uuid: str, ids: Iterable[str]) -> _Found:
    found = _Found()
    for part in _parts(ids):
        query = select(CopiedFile).where(CopiedFile.table_uuid == table_uuid, CopiedFile.file_id.in_(part))
        for row in await session.scalars(query):
            if row.is_loaded:
                found.loaded.add(row.file_id)
            elif row.statement_id == statement_id:
                found.mine.add(row.file_id)
            else:
                found.others[row.file_id] = row.statement_id
    return found


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    each = iter(items)
    while part := list(islice(each, _AT_ONCE)):
        yield part


async def _settle(session: AsyncSession, table_uuid: str, found: _Found) -> str | None:
    """Free what statements claimed that have ended; return a file of which it is unknown whether it was loaded."""
    owners = sorted(set(found.others.values()))
    states: dict[str, tuple[str, str | None]] = {}
    for part in _parts(owners):
        query = select(Statement.id, Statement.status, Statement.error_code).where(Statement.id.in_(part))
        for owner, status, code in (await session.execute(query)).tuples():
            states[owner] = (status, code)
    for key, owner in list(found.others.items()):
        status, code = states.get(owner, ("failed", None))
        if status in ACTIVE:
            continue
        if code == UNKNOWN:
            return key
        del found.others[key]
        where = CopiedFile.table_uuid == table_uuid, CopiedFile.file_id == key, CopiedFile.statement_id == owner
        if status == "succeeded":
            found.loaded.add(key)
            await session.execute(update(CopiedFile).where(*where).values(is_loaded=True))
        else:
            await session.execute(delete(CopiedFile).where(*where))
    return None
