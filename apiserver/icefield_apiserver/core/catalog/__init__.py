"""Client of the workspaces' Iceberg catalogs, over the Iceberg REST protocol.

(Apache Iceberg, open-api/rest-catalog-open-api.yaml.)
"""

from .client import Catalogs, IcebergCatalog
from .granted import granted_catalog
from .grants import DataAccess
from .model import LoadedTable, LoadedView, Namespace
from .reader import SqlCatalogReader

__all__ = [
    "Catalogs",
    "DataAccess",
    "IcebergCatalog",
    "LoadedTable",
    "LoadedView",
    "Namespace",
    "SqlCatalogReader",
    "granted_catalog",
]
