"""What a run reads and writes when it goes to the catalog itself, noted as the lineage of that run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.catalog.facts import current_snapshot_id
from icefield_apiserver.catalog.loaded import Namespace
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.lineage import LineageRecorder
from icefield_apiserver.lineage.body import Seen

from .operations import Call

log = logging.getLogger(__name__)


class RunLineage:
    """Notes lineage of runs; of anybody else's calls it notes nothing.

    Args:
        recorder: where it is kept.
    """

    def __init__(self, recorder: LineageRecorder) -> None:
        self._recorder = recorder

    async def loaded(self, principal: Principal, call: Call, result: Mapping[str, Any]) -> None:
        """Note that a run loaded a table.

        Args:
            principal: the caller.
            call: what was asked.
            result: the LoadTableResult.
        """
        if principal.run_uid and call.name:
            snapshot = current_snapshot_id(result.get("metadata") or {})
            await self._note(principal, reads=[(_shown(principal, call.namespace, call.name), snapshot)])

    async def committed(self, principal: Principal, call: Call, body: Mapping[str, Any]) -> None:
        """Note that a run wrote tables: those in which its commit made snapshots.

        Args:
            principal: the caller.
            call: what was asked.
            body: the request: a CommitTableRequest, or a CommitTransactionRequest with several.
        """
        if not principal.run_uid:
            return
        if call.name is not None:
            changes = [((*call.namespace, call.name), body)]
        else:
            changes = [(_identified(change), change) for change in body.get("table-changes") or ()]
        writes = [
            (_shown(principal, parts[:-1], parts[-1]), snapshot)
            for parts, change in changes
            for snapshot in _snapshots(change)
            if parts
        ]
        if writes:
            await self._note(principal, writes=writes)

    async def _note(
        self,
        principal: Principal,
        reads: Sequence[Seen] = (),
        writes: Sequence[Seen] = (),
    ) -> None:
        try:
            await self._recorder.record_run(principal.workspace, principal.run_uid or "", reads, writes)
        except (SQLAlchemyError, TimeoutError) as error:
            # The catalog has done what was asked; saying otherwise would make the client do it again.
            log.error("lineage of run %s was not stored: %s", principal.run_uid, error)


def _snapshots(change: Mapping[str, Any]) -> list[int]:
    updates = (update for update in change.get("updates") or () if update.get("action") == "add-snapshot")
    return [int(update["snapshot"]["snapshot-id"]) for update in updates]


def _identified(change: Mapping[str, Any]) -> Namespace:
    identifier = change.get("identifier") or {}
    return (*identifier.get("namespace", ()), identifier.get("name", ""))


def _shown(principal: Principal, namespace: Namespace, name: str) -> str:
    return ".".join((principal.workspace, *namespace, name))
