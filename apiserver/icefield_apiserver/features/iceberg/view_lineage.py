"""Records what views are made of that are defined through the protocol."""

from __future__ import annotations

from icefield_apiserver.core.catalog import Catalogs, Namespace, SqlCatalogReader
from icefield_apiserver.core.catalog.names import catalog_names
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.planning_threads import PlanningThreads
from icefield_apiserver.features.lineage.service import Dataset, LineageRecorder, uuid_of_name
from icefield_sql import Names, Source, SqlError, TableName, View, read_view, resolve, sources_of


class ViewLineage:
    """Records the tables and views that a view names.

    Args:
        recorder: stores the lineage.
        catalogs: the workspaces' catalogs.
        workspaces: the Workspaces.
        planning: where the texts of views are read.
    """

    def __init__(
        self, recorder: LineageRecorder, catalogs: Catalogs, workspaces: WorkspaceDirectory, planning: PlanningThreads
    ) -> None:
        self._recorder = recorder
        self._catalogs = catalogs
        self._workspaces = workspaces
        self._planning = planning

    async def record(self, workspace: str, namespace: Namespace, name: str, run_uid: str | None) -> None:
        """Record what a view is made of, as it is in the catalog now; nothing where it is not there.

        Args:
            workspace: slug.
            namespace: the view's.
            name: its name.
            run_uid: metadata.uid of the Run that defined it.

        Raises:
            ApiError: the catalog is unavailable, or the text cannot be read.
            sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
        """
        reader, found = SqlCatalogReader(self._catalogs.of(workspace)), self._workspaces.get(workspace)
        view = await reader.load(TableName(namespace, name))
        if found is None or not isinstance(view, View):
            return
        names = Names(workspace, frozenset(catalog_names(found)))
        try:
            async with self._planning.room(workspace, len(view.sql)):
                statement = await self._planning.run(workspace, read_view, view, names)
                resolved = await resolve(statement, reader)
        except SqlError as error:
            raise BadRequest(error.sentence) from error
        uid, shown = found.metadata.uid, TableName(namespace, name).qualified(workspace)
        sources = [_dataset(each, workspace, uid) for each in sources_of(resolved) if each.reader is None]
        await self._recorder.view_defined(uid, Dataset(view.uuid, shown, is_view=True), sources, run_uid)


def _dataset(source: Source, workspace: str, workspace_uid: str) -> Dataset:
    name = source.name.qualified(workspace)
    return Dataset(source.uuid or uuid_of_name(workspace_uid, name), name, source.is_view)
