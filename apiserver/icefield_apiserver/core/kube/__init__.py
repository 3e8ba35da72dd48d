"""Kubernetes for the API server: reads from watch caches, writes as the caller."""

from .cache import WatchCache
from .client import ResourceClient
from .cluster import Cluster
from .impersonation import Impersonation
from .named_resources import NamedResources, ResourceFinder
from .store import Store, WatchedKind

__all__ = [
    "Cluster",
    "Impersonation",
    "NamedResources",
    "ResourceClient",
    "ResourceFinder",
    "Store",
    "WatchCache",
    "WatchedKind",
]
