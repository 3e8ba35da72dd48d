"""Records the lineage of what uses the catalog directly: tasks, Polars workloads and Spark applications."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.core.catalog import Catalogs
from icefield_apiserver.core.catalog.metadata import current_snapshot_id
from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.features.lineage.service import CatalogUnit, CommittedTable, Dataset, LineageRecorder, unit_id
from icefield_apiserver.identity.principal import Principal

from .commits import Commit, commits_in
from .operations import CatalogCall
from .view_lineage import ViewLineage

log = logging.getLogger(__name__)


class RunLineage:
    """Records what runs load and commit, and what anybody renames, drops or defines.

    The catalog has done it: an error of the record would make the client repeat the call, so it is logged.

    Args:
        recorder: stores the lineage.
        catalogs: the workspaces' catalogs.
        views: records what views are made of.
    """

    def __init__(self, recorder: LineageRecorder, catalogs: Catalogs, views: ViewLineage) -> None:
        self._recorder = recorder
        self._catalogs = catalogs
        self._views = views

    async def record_load(self, principal: Principal, call: CatalogCall, result: Mapping[str, Any]) -> None:
        """Record that a run loaded a table or view.

        Args:
            principal: the caller.
            call: the call.
            result: the LoadTableResult or LoadViewResult.
        """
        metadata = result.get("metadata") or {}
        table, view = metadata.get("table-uuid"), metadata.get("view-uuid")
        if (unit := _unit(principal)) is None or not call.name or not (table or view):
            return
        dataset = Dataset(str(table or view), _table(principal, call.namespace, call.name), is_view=table is None)
        await _logged(self._recorder.table_loaded(unit, dataset, current_snapshot_id(metadata)), dataset.name)

    async def record_commit(
        self, principal: Principal, call: CatalogCall, body: Mapping[str, Any], began_at: datetime
    ) -> None:
        """Record that a run wrote tables: those to which its commit added snapshots.

        Args:
            principal: the caller.
            call: the call.
            body: the request: a CommitTableRequest, or a CommitTransactionRequest with several.
            began_at: when the call arrived.
        """
        if (unit := _unit(principal)) is not None:
            await _logged(self._record_commit(principal, unit, commits_in(call, body), began_at), unit.id)

    async def record_rename(self, principal: Principal, body: Mapping[str, Any]) -> None:
        """Record that a table or view was renamed, given the RenameTableRequest."""
        old, new = (_identifier(principal, body.get(field) or {}) for field in ("source", "destination"))
        await _logged(self._recorder.table_renamed(principal.workspace, old, new), old)

    async def record_drop(self, principal: Principal, call: CatalogCall) -> None:
        """Record that the table, view or namespace in a call's path was dropped."""
        if call.name:
            name = _table(principal, call.namespace, call.name)
            await _logged(self._recorder.table_dropped(principal.workspace, name), name)
        else:
            name = ".".join((principal.workspace, *call.namespace))
            await _logged(self._recorder.namespace_dropped(principal.workspace, name), name)

    async def record_view(self, principal: Principal, call: CatalogCall, body: Mapping[str, Any]) -> None:
        """Record what a view is made of that was created or replaced."""
        name = call.name or str(body.get("name"))
        await _logged(
            self._views.record(principal.workspace, call.namespace, name, principal.run_uid),
            _table(principal, call.namespace, name),
        )

    async def _record_commit(
        self, principal: Principal, unit: CatalogUnit, commits: Sequence[Commit], began_at: datetime
    ) -> None:
        committed = [
            CommittedTable(
                Dataset(await self._uuid(principal, commit), _table(principal, commit.namespace, commit.name)),
                snapshot.id,
                snapshot.has_new_rows,
            )
            for commit in commits
            for snapshot in commit.snapshots
        ]
        if committed:
            await self._recorder.tables_committed(unit, committed, began_at)

    async def _uuid(self, principal: Principal, commit: Commit) -> str:
        """Return the UUID of a table to which a commit was made; most commits require it."""
        if commit.uuid:
            return commit.uuid
        catalog = self._catalogs.of(principal.workspace)
        return str((await catalog.load_table(commit.namespace, commit.name)).metadata["table-uuid"])


async def _logged(recording: Awaitable[None], what: str) -> None:
    try:
        await recording
    except (SQLAlchemyError, TimeoutError, ApiError, KeyError) as error:
        log.error("lineage of %s was not stored: %r", what, error)


def _unit(principal: Principal) -> CatalogUnit | None:
    """Return what calls the catalog; None for people."""
    if principal.run_uid is None:
        return None
    id_ = unit_id(principal.run_uid, principal.task, principal.attempt)
    return CatalogUnit(id_, principal.workspace, principal.run_uid, is_one_workload=principal.is_sandbox)


def _identifier(principal: Principal, identifier: Mapping[str, Any]) -> str:
    return _table(principal, tuple(identifier.get("namespace") or ()), str(identifier.get("name")))


def _table(principal: Principal, namespace: Namespace, name: str) -> str:
    return ".".join((principal.workspace, *namespace, name))
