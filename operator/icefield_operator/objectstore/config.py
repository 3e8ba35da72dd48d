"""How the operator reaches the platform's object store, and what a workspace gets to reach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Provider(StrEnum):
    """Who manages the users of the object store."""

    VERSITYGW = "versitygw"
    STATIC = "static"


class Access(StrEnum):
    """What a user of a workspace may do with its prefix."""

    READ_WRITE = "read-write"
    READ_ONLY = "read-only"


@dataclass(frozen=True)
class Credentials:
    """One user of the object store."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class ObjectStoreConfig:
    """The platform's bucket and the platform's own credentials, which grant access to all of it."""

    provider: Provider
    endpoint: str
    region: str
    bucket: str
    credentials: Credentials


class ObjectStoreError(Exception):
    """The object store failed; a retry later may succeed. The message can be shown in a condition."""


class CredentialsMissingError(ObjectStoreError):
    """The credentials of a workspace were not supplied, and the operator cannot create them: a user has to act."""
