"""Client of the workspaces' Iceberg catalogs, over the Iceberg REST protocol.

(Apache Iceberg, open-api/rest-catalog-open-api.yaml.)
"""

from .client import Catalogs, IcebergCatalog
from .model import LoadedTable, LoadedView, Namespace
from .reader import SqlCatalogReader

__all__ = ["Catalogs", "IcebergCatalog", "LoadedTable", "LoadedView", "Namespace", "SqlCatalogReader"]
