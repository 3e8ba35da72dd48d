"""The Iceberg REST protocol, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import Core, Feature, Mount, Services
from icefield_apiserver.features.lineage.service import LineageRecorder
from icefield_apiserver.features.volumes.service import VolumeService

from .access import FileAccess
from .routes import router
from .run_lineage import RunLineage
from .service import IcebergService


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the proxy of the catalogs."""
    access = FileAccess(core.secrets, core.settings.object_store.external_endpoint)
    lineage, volumes = RunLineage(services.get(LineageRecorder)), services.get(VolumeService)
    services.provide(IcebergService(core.catalogs, access, lineage, volumes))


feature = Feature("iceberg", (Mount("", router),), install, needs=("lineage", "volumes"))
