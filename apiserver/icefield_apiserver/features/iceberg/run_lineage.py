"""Records the lineage of runs that use the catalog directly."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.core.catalog.metadata import current_snapshot_id
from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.features.lineage.service import LineageRecorder, TableAccess
from icefield_apiserver.identity.principal import Principal

from .operations import CatalogCall

log = logging.getLogger(__name__)


class RunLineage:
    """Records the lineage of runs; calls of other callers are ignored.

    Args:
        recorder: stores the lineage.
    """

    def __init__(self, recorder: LineageRecorder) -> None:
        self._recorder = recorder

    async def record_load(self, principal: Principal, call: CatalogCall, result: Mapping[str, Any]) -> None:
        """Record that a run loaded a table.

        Args:
            principal: the caller.
            call: the call.
            result: the LoadTableResult.
        """
        if principal.run_uid and call.name:
            snapshot = current_snapshot_id(result.get("metadata") or {})
            await self._record(principal, reads=[(_table(principal, call.namespace, call.name), snapshot)])

    async def record_commit(self, principal: Principal, call: CatalogCall, body: Mapping[str, Any]) -> None:
        """Record that a run wrote tables: those to which its commit added snapshots.

        Args:
            principal: the caller.
            call: the call.
            body: the request: a CommitTableRequest, or a CommitTransactionRequest with several.
        """
        if not principal.run_uid:
            return
        if call.name is not None:
            changes = [((*call.namespace, call.name), body)]
        else:
            changes = [(_identifier(change), change) for change in body.get("table-changes") or ()]
        writes = [
            (_table(principal, parts[:-1], parts[-1]), snapshot)
            for parts, change in changes
            for snapshot in _snapshots(change)
            if parts
        ]
        if writes:
            await self._record(principal, writes=writes)

    async def _record(
        self,
        principal: Principal,
        reads: Sequence[TableAccess] = (),
        writes: Sequence[TableAccess] = (),
    ) -> None:
        try:
            await self._recorder.record_run(principal.workspace, principal.run_uid or "", reads, writes)
        except (SQLAlchemyError, TimeoutError) as error:
            # The catalog has committed; an error would make the client repeat the commit.
            log.error("lineage of run %s was not stored: %s", principal.run_uid, error)


def _snapshots(change: Mapping[str, Any]) -> list[int]:
    updates = (update for update in change.get("updates") or () if update.get("action") == "add-snapshot")
    return [int(update["snapshot"]["snapshot-id"]) for update in updates]


def _identifier(change: Mapping[str, Any]) -> Namespace:
    identifier = change.get("identifier") or {}
    return (*identifier.get("namespace", ()), identifier.get("name", ""))


def _table(principal: Principal, namespace: Namespace, name: str) -> str:
    return ".".join((principal.workspace, *namespace, name))
