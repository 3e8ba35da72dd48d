"""The only way to Kubernetes: reads from watch caches, writes as the caller."""

from .cache import WatchCache
from .client import KubeClient
from .cluster import Cluster
from .impersonation import Impersonation
from .store import Store

__all__ = ["Cluster", "Impersonation", "KubeClient", "Store", "WatchCache"]
