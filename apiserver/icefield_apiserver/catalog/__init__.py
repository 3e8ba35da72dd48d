"""The workspaces' Iceberg catalogs, asked over the Iceberg REST protocol.

(Apache Iceberg, open-api/rest-catalog-open-api.yaml.)
"""

from .client import Catalogs, IcebergCatalog
from .loaded import LoadedTable, LoadedView, Namespace

__all__ = ["Catalogs", "IcebergCatalog", "LoadedTable", "LoadedView", "Namespace"]
