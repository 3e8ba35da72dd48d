"""The runs of a workspace, wherever they are: in Kubernetes, or, once they have ended, in the archive.

The janitor copies a run into the archive before it deletes it from Kubernetes, so that whoever looks into Kubernetes
first and into the archive second finds it at least once; the uid shows a run that is found in both.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import merge
from itertools import groupby, islice
from typing import TypeVar

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.kube import Cluster, NamedResources, ResourceFinder
from icefield_apiserver.core.kube.indexes import RUNS, job_group, phase_group
from icefield_apiserver.core.pagination import Page, Window, encode_cursor
from icefield_crds import Run
from icefield_crds.names import namespace_of
from icefield_kube.store import SortKey

from .archive import ArchivedRuns, RunFilter

T = TypeVar("T")


class RunStore(ResourceFinder[Run]):
    """Finds and lists runs.

    Args:
        cluster: those in Kubernetes.
        archive: the archived ones.
    """

    def __init__(self, cluster: Cluster, archive: ArchivedRuns) -> None:
        super().__init__(Run)
        self._cluster = cluster
        self._archive = archive
        self._in_kubernetes = NamedResources(cluster, Run)

    async def find(self, workspace: str, id_or_name: str) -> Run | None:
        """Return the run with this public id or name, or None."""
        if found := self._in_kubernetes.find_cached(workspace, id_or_name):
            return found
        if found := await self._archive.find(self._uid_of(workspace), id_or_name):
            return found
        return await self._in_kubernetes.find(workspace, id_or_name)

    def latest(self, run: Run) -> Run | None:
        """Return the newest known version of a run; None when it was deleted before it had ended."""
        return self._in_kubernetes.current(run.metadata.uid) or (run if run.phase.is_terminal else None)

    async def page(self, workspace: str, which: RunFilter, window: Window, shape: Callable[[Run], T]) -> Page[T]:
        """Return a page of a workspace's runs, newest first.

        Args:
            workspace: slug of the workspace.
            which: which runs.
            window: which part.
            shape: returns the REST schema of a run.

        Raises:
            BadRequest: the cursor belongs to another list.
        """
        _check_cursor(window.after)
        namespace, wanted = namespace_of(workspace), window.limit + 1
        group = job_group(namespace, which.job.metadata.name) if which.job else namespace
        group = phase_group(group, which.phase) if which.phase else group
        present = list(islice(self._cluster.runs.store.walk(group, window.after), wanted))
        archived = await self._archive.after(self._uid_of(workspace), which, window.after, wanted)
        in_order = merge(present, ((key_of(run), run) for run in archived), key=lambda row: row[0])
        rows = [next(same) for _, same in groupby(in_order, key=lambda row: row[0])][:wanted]
        shown = rows[: window.limit]
        return Page(
            data=[shape(run) for _, run in shown],
            next_cursor=encode_cursor(shown[-1][0]) if len(rows) == wanted else None,
        )

    async def forget(self, workspace: str, run: Run) -> bool:
        """Delete a run from the archive; return whether it was there."""
        return await self._archive.remove(self._uid_of(workspace), [run.metadata.uid]) > 0

    def _uid_of(self, workspace: str) -> str:
        return self._cluster.workspace_directory.existing(workspace).metadata.uid


def key_of(run: Run) -> SortKey:
    """Return the key of a run in lists."""
    return (*RUNS.sort_key(run), run.metadata.uid)


def _check_cursor(key: SortKey | None) -> None:
    if key is not None and [type(part) for part in key] != [int, str]:
        raise BadRequest("The cursor belongs to another list.")
