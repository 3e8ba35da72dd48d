"""Durable side data that Kubernetes does not hold: users and keys. Postgres in a cluster, SQLite in tests."""

from .session import Database

__all__ = ["Database"]
