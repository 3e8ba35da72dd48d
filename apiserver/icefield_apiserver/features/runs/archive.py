"""Archived runs in the database."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Insert, Table, delete, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.db.distinct import distinct_values
from icefield_apiserver.core.kube.indexes import RUNS
from icefield_crds import Job, Run, RunPhase
from icefield_kube.store import SortKey

from .models import ArchivedRun

SomeRuns = Callable[[int], Awaitable[list[Run]]]
"""Reads some runs, at most as many as its argument says."""

_PUBLIC_ID = re.compile(rf"{Run.ID_PREFIX}_[0-9a-f]{{12}}")
_TABLE = cast(Table, ArchivedRun.__table__)


@dataclass(frozen=True)
class RunFilter:
    """Which runs of a workspace; None for any.

    Attributes:
        job: only runs of this job, not those of an earlier one of the same name.
        phase: only runs with this status.
    """

    job: Job | None = None
    phase: RunPhase | None = None


class ArchivedRuns:
    """Reads and writes archived runs.

    Args:
        db: where they are.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(self, workspace_uid: str, id_or_name: str) -> Run | None:
        """Return the newest run with this public id or metadata.name, or None."""
        column = ArchivedRun.public_id if _PUBLIC_ID.fullmatch(id_or_name) else ArchivedRun.name
        query = (
            select(ArchivedRun.manifest)
            .where(ArchivedRun.workspace_uid == workspace_uid, column == id_or_name)
            .order_by(ArchivedRun.sort_key, ArchivedRun.uid)
            .limit(1)
        )
        found = await self._db.one_row(query)
        return Run.model_validate(found[0]) if found else None

    async def after(self, workspace_uid: str, which: RunFilter, key: SortKey | None, limit: int) -> list[Run]:
        """Return the first runs after a key (core.kube.indexes.RUNS), in order; from the first one when None."""
        query = select(ArchivedRun.manifest).where(ArchivedRun.workspace_uid == workspace_uid)
        if which.job:
            uid = which.job.metadata.uid
            query = query.where(ArchivedRun.job == which.job.metadata.name)
            query = query.where(or_(ArchivedRun.job_uid.is_(None), ArchivedRun.job_uid == uid))
        if which.phase:
            query = query.where(ArchivedRun.phase == which.phase.value)
        if key:
            query = query.where(tuple_(ArchivedRun.sort_key, ArchivedRun.uid) > tuple_(*key))
        async with self._db.session() as session:
            manifests = await session.scalars(query.order_by(ArchivedRun.sort_key, ArchivedRun.uid).limit(limit))
            return [Run.model_validate(manifest) for manifest in manifests]

    async def put(self, workspace_uid: str, runs: Sequence[Run]) -> set[str]:
        """Store runs that have ended, as they are now, in one transaction; return the uids of those that are new."""
        uids = [run.metadata.uid for run in runs]
        async with self._db.session() as session:
            known = set(await session.scalars(select(ArchivedRun.uid).where(ArchivedRun.uid.in_(uids))))
            await session.execute(self._upsert([_row(workspace_uid, run) for run in runs]))
            return set(uids) - known

    async def remove(self, workspace_uid: str, uids: Sequence[str]) -> int:
        """Delete runs of a workspace; return how many there were."""
        which = ArchivedRun.workspace_uid == workspace_uid, ArchivedRun.uid.in_(uids)
        return await self._db.execute(delete(ArchivedRun).where(*which))

    def ended_before(self, workspace_uid: str, moment: datetime) -> SomeRuns:
        """Return what reads runs that ended before a moment."""
        return self._some(workspace_uid, ArchivedRun.finished_at < moment)

    def of_job_uid(self, workspace_uid: str, job_uid: str) -> SomeRuns:
        """Return what reads runs that a Job owns."""
        return self._some(workspace_uid, ArchivedRun.job_uid == job_uid)

    def of_workspace_uid(self, workspace_uid: str) -> SomeRuns:
        """Return what reads runs of a workspace."""
        return self._some(workspace_uid)

    async def job_uids(self, workspace_uid: str) -> list[str]:
        """Return metadata.uid of each Job that owns runs of a workspace."""
        async with self._db.session() as session:
            return await distinct_values(session, ArchivedRun.job_uid, ArchivedRun.workspace_uid == workspace_uid)

    async def workspace_uids(self) -> list[str]:
        """Return metadata.uid of each workspace that has archived runs."""
        async with self._db.session() as session:
            return await distinct_values(session, ArchivedRun.workspace_uid)

    def _some(self, workspace_uid: str, *conditions: ColumnElement[bool]) -> SomeRuns:
        query = select(ArchivedRun.manifest).where(ArchivedRun.workspace_uid == workspace_uid, *conditions)

        async def read(limit: int) -> list[Run]:
            async with self._db.session() as session:
                return [Run.model_validate(manifest) for manifest in await session.scalars(query.limit(limit))]

        return read

    def _upsert(self, rows: list[dict[str, Any]]) -> Insert:
        dialect = postgresql if self._db.engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(_TABLE).values(rows)
        changed = {name: statement.excluded[name] for name in rows[0] if name != "uid"}
        upsert: Insert = statement.on_conflict_do_update(index_elements=["uid"], set_=changed)
        return upsert


def _row(workspace_uid: str, run: Run) -> dict[str, Any]:
    metadata = run.metadata
    controller = next((owner for owner in metadata.owner_references if owner.controller), None)
    [created] = RUNS.sort_key(run)
    return {
        "uid": metadata.uid,
        "workspace_uid": workspace_uid,
        "public_id": run.public_id,
        "name": metadata.name,
        "job": run.spec.job_ref.name if run.spec.job_ref else None,
        "job_uid": controller.uid if controller and controller.kind == Job.KIND else None,
        "phase": run.phase.value,
        "sort_key": created,
        "finished_at": (run.status.completion_time if run.status else None) or metadata.creation_timestamp or now(),
        "manifest": run.to_api(),
    }
