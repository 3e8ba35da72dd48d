"""The Iceberg REST protocol, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import Core, Feature, Mount, Services
from icefield_apiserver.features.lineage.service import LineageRecorder
from icefield_apiserver.features.volumes.service import VolumeService

from .access import FileAccess
from .metadata_files import MetadataFiles
from .routes import router
from .run_lineage import RunLineage
from .service import IcebergService
from .sessions import Sessions
from .view_lineage import ViewLineage


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the proxy of the catalogs."""
    store = core.settings.object_store
    sessions = Sessions(store.sts_endpoint) if store.sts_endpoint else None
    access = FileAccess(core.secrets, store.external_endpoint, sessions)
    recorder, volumes = services.get(LineageRecorder), services.get(VolumeService)
    views = ViewLineage(recorder, core.catalogs, core.cluster.workspace_directory, core.planning)
    lineage = RunLineage(recorder, core.catalogs, views)
    files = MetadataFiles(core.stores)
    services.provide(IcebergService(core.catalogs, access, lineage, volumes, files, core.planning))


feature = Feature("iceberg", (Mount("", router),), install, needs=("lineage", "volumes"))
