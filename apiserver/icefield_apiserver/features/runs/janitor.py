"""Moves runs that have ended from Kubernetes into the archive, and deletes from the archive what is too old.

A run is in the archive before it is deleted from Kubernetes, so it can be read at any moment; where the process ends in
between, the next pass deletes it. One replica at a time does this.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.db.turns import Turn, taking_turns
from icefield_apiserver.core.kube import Cluster, Impersonation
from icefield_apiserver.core.kube.cache import METADATA_ONLY
from icefield_crds import Job, Role, Run, Workspace
from icefield_crds.labels import MANAGED_BY
from icefield_crds.names import FIELD_MANAGER, workspace_of
from icefield_kube.errors import Conflict, NotFound
from icefield_kube.paths import path_of
from icefield_kube.watch import pages

from .archive import ArchivedRuns, SomeRuns
from .results import RunResults
from .retention import due_to_leave

log = logging.getLogger(__name__)

TURN = 0x1CEF1E1E
"""Any number that no other turn has (core.db.turns)."""
BATCH = 100
"""How many runs are archived in one transaction, or deleted from the archive at once."""
PARALLEL_DELETIONS = 4
PERSON = "platform:retention"
"""Who Kubernetes' audit log names for the deletions; they are made as an editor of the workspace."""


@dataclass(frozen=True)
class Dependencies:
    """What the janitor works on.

    Attributes:
        db: where replicas take turns.
        cluster: the runs in Kubernetes.
        archive: the archived runs.
        results: results of runs, which are deleted with them.
    """

    db: Database
    cluster: Cluster
    archive: ArchivedRuns
    results: RunResults


class RunJanitor:
    """Keeps the number of ended runs in Kubernetes, and the age of archived ones, as Workspace.spec.retention says.

    Args:
        deps: what it works on.
        max_ended_runs: how many ended runs may stay in Kubernetes, over all workspaces.
    """

    def __init__(self, deps: Dependencies, max_ended_runs: int) -> None:
        self._db = deps.db
        self._cluster = deps.cluster
        self._archive = deps.archive
        self._results = deps.results
        self._max_ended_runs = max_ended_runs

    async def sweep(self) -> None:
        """Archive what is due, and delete what is too old, unless another replica does so or the caches may be old.

        Raises:
            KubernetesError, SQLAlchemyError, ObjectStoreError: something is unavailable; what was done stays done.
        """
        async with taking_turns(self._db, TURN) as turn:
            if turn is not None and self._cluster.problem() is None:
                await self._archive_due(turn)
                await self._forget_old()

    async def _archive_due(self, turn: Turn) -> None:
        workspaces = {workspace.namespace: workspace for workspace in self._present()}
        due: defaultdict[str, list[str]] = defaultdict(list)
        retentions = {namespace: workspace.spec.retention.runs for namespace, workspace in workspaces.items()}
        for ended in due_to_leave(self._cluster.runs.store.summaries(), retentions, self._max_ended_runs, now()):
            due[ended.namespace].append(ended.uid)
        for namespace, uids in due.items():
            busy = await self._owners_of_pods(namespace)
            free = [uid for uid in uids if uid not in busy]
            for start in range(0, len(free), BATCH):
                await self._move(workspaces[namespace], free[start : start + BATCH], turn)

    def _present(self) -> list[Workspace]:
        return [
            workspace
            for workspace in self._cluster.workspace_directory.all()
            if not workspace.metadata.deletion_timestamp
        ]

    async def _owners_of_pods(self, namespace: str) -> set[str]:
        """Return the uids of all owners of pods: a run with pods left is not finished with."""
        path, selector = path_of("Pod", namespace), f"{MANAGED_BY}={FIELD_MANAGER}"
        return {
            reference["uid"]
            async for page in pages(self._cluster.client, path, label_selector=selector, accept=METADATA_ONLY)
            for pod in page["items"] or ()
            for reference in pod["metadata"].get("ownerReferences") or ()
        }

    async def _move(self, workspace: Workspace, uids: Sequence[str], turn: Turn) -> None:
        runs = [run for uid in uids if (run := self._cluster.runs.store.by_uid(uid))]
        if not runs:
            return
        new = await self._archive.put(workspace.metadata.uid, runs)
        places = asyncio.Semaphore(PARALLEL_DELETIONS)

        async def delete(run: Run) -> bool:
            async with places:
                return await self._delete(workspace, run)

        deleted = await asyncio.gather(*(delete(run) for run in runs), return_exceptions=True)
        # Somebody else deleted them meanwhile, so they are to be gone. Unless it was another replica, to archive them.
        vanished = [run.metadata.uid for run, was_there in zip(runs, deleted, strict=True) if was_there is False]
        unwanted = [uid for uid in vanished if uid in new]
        if unwanted and await turn.is_held():
            await self._archive.remove(workspace.metadata.uid, unwanted)
        for answer in deleted:
            if isinstance(answer, BaseException):
                raise answer
        log.info("archived %d runs of workspace %s", len(runs) - len(unwanted), workspace.metadata.name)

    async def _delete(self, workspace: Workspace, run: Run) -> bool:
        """Delete a run from Kubernetes if it is as it was archived; return whether it was there."""
        try:
            impersonation = Impersonation.of_member(workspace.metadata.name, Role.EDITOR, PERSON)
            await self._cluster.client.delete_unchanged(run, impersonation)
        except NotFound:
            self._cluster.runs.store.remove(run.metadata.uid)
            return False
        except Conflict:
            return True  # it was changed: the next pass archives it as it is then
        if not run.metadata.finalizers:
            self._cluster.runs.store.remove(run.metadata.uid)
        return True

    async def _forget_old(self) -> None:
        """Delete from the archive what is too old, and what belonged to jobs and workspaces that are gone."""
        present = {workspace.metadata.uid: workspace for workspace in self._cluster.workspace_directory.all()}
        for uid in await self._archive.workspace_uids():
            if workspace := present.get(uid):
                await self._forget_of_jobs(workspace)
                oldest = now() - timedelta(days=workspace.spec.retention.archived_runs.days)
                await self._forget(workspace, self._archive.ended_before(uid, oldest))
            else:
                await self._forget_workspace(uid)

    async def _forget_of_jobs(self, workspace: Workspace) -> None:
        """Kubernetes deletes the runs of a deleted job; those in the archive go too."""
        jobs = {job.metadata.uid for job in self._cluster.cache(Job).store.all()}
        for job_uid in set(await self._archive.job_uids(workspace.metadata.uid)) - jobs:
            which = self._archive.of_job_uid(workspace.metadata.uid, job_uid)
            example = next(iter(await which(1)), None)
            if example is None or example.spec.job_ref is None:
                continue
            # The cache may not know the job yet.
            job = await self._cluster.cache(Job).read(example.metadata.namespace, example.spec.job_ref.name)
            if job is None or job.metadata.uid != job_uid:
                await self._forget(workspace, which)

    async def _forget_workspace(self, uid: str) -> None:
        """Delete the runs of a deleted workspace; their results went with its prefix of the bucket."""
        example = next(iter(await self._archive.of_workspace_uid(uid)(1)), None)
        slug = workspace_of(example.metadata.namespace or "") if example else None
        workspace = await self._cluster.workspaces.read(None, slug) if slug else None
        if workspace is None or workspace.metadata.uid != uid:
            while runs := await self._archive.of_workspace_uid(uid)(BATCH):
                await self._archive.remove(uid, [run.metadata.uid for run in runs])

    async def _forget(self, workspace: Workspace, some: SomeRuns) -> None:
        while runs := await some(BATCH):
            for run in runs:
                if run.spec.polars:
                    await self._results.delete(workspace.metadata.name, run)
            await self._archive.remove(workspace.metadata.uid, [run.metadata.uid for run in runs])
