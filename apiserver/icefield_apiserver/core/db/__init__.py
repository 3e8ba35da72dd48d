"""The database for durable data outside Kubernetes. Postgres in a cluster, SQLite in tests."""

from .session import Database

__all__ = ["Database"]
