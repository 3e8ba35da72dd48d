"""The workload that the operator sends to a sandbox: `PUT /workload`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .fields import as_object, choice, integer, optional_integer, optional_text, text

MAX_TIMEOUT_SECONDS = 366 * 24 * 3600


class Mode(StrEnum):
    """What a workload consists of; also the name of the field that has its text."""

    QUERY = "query"
    SCRIPT = "script"


class SaveMode(StrEnum):
    """What a write does with rows that the destination has."""

    OVERWRITE = "overwrite"
    APPEND = "append"


@dataclass(frozen=True)
class ObjectStoreAccess:
    """Address and credentials of the workspace's part of the bucket."""

    endpoint: str
    region: str
    bucket: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class CatalogAccess:
    """Address and credentials of the workspace's catalog and of its files.

    Attributes:
        catalog_uri: of the Iceberg REST catalog.
        warehouse: name of the workspace's catalog there.
        object_store: where its files are.
        token: bearer token of the catalog.
    """

    catalog_uri: str
    warehouse: str
    object_store: ObjectStoreAccess
    token: str = field(repr=False)


@dataclass(frozen=True)
class Workload:
    """One query or script.

    Attributes:
        id: metadata.uid of the Run.
        mode: whether `text` is a query or a script.
        tables: names of tables by the alias that the query has for them.
        params: arguments of the script.
        catalog: the catalog as the workload names it; None for the workspace's own.
        catalog_names: names that the catalog has; the workspace's slug is the first.
        destination: table that the result is written to.
        environment: variables of the workspace.
        result_key: key of the object that gets the result.
        environment_key: key of the environment of its requirements; None when it has none.
    """

    id: str
    mode: Mode
    text: str = field(repr=False)
    tables: dict[str, str]
    params: dict[str, Any] = field(repr=False)
    catalog: str | None
    catalog_names: tuple[str, ...]
    destination: str | None
    save_mode: SaveMode
    distributed: bool
    instance_type: str | None
    cluster_size: int | None
    timeout_seconds: int
    environment: dict[str, str] = field(repr=False)
    access: CatalogAccess
    result_key: str
    environment_key: str | None = None

    @property
    def catalog_name(self) -> str:
        """The name that the workload uses for the catalog."""
        return self.catalog or self.catalog_names[0]

    def to_json(self) -> dict[str, Any]:
        """Return the workload as a JSON object."""
        return {
            "id": self.id,
            "mode": self.mode,
            self.mode: self.text,
            "tables": [{"alias": alias, "table": table} for alias, table in self.tables.items()],
            "params": self.params,
            "catalog": self.catalog,
            "names": list(self.catalog_names),
            "destination": self.destination,
            "save_mode": self.save_mode,
            "distributed": self.distributed,
            "instance_type": self.instance_type,
            "cluster_size": self.cluster_size,
            "timeout_seconds": self.timeout_seconds,
            "environment": self.environment,
            "access": asdict(self.access),
            "result_key": self.result_key,
            "environment_key": self.environment_key,
        }

    @classmethod
    def from_json(cls, document: object) -> Workload:
        """Return the workload in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type; one sentence.
        """
        fields = as_object(document, "the workload")
        mode = choice(fields, "mode", Mode)
        return cls(
            id=text(fields, "id"),
            mode=mode,
            text=text(fields, mode),
            tables=_tables(fields.get("tables") or []),
            params=as_object(fields.get("params") or {}, "params"),
            catalog=optional_text(fields, "catalog"),
            catalog_names=_names(fields.get("names")),
            destination=optional_text(fields, "destination"),
            save_mode=choice({"save_mode": SaveMode.OVERWRITE, **fields}, "save_mode", SaveMode),
            distributed=fields.get("distributed") is True,
            instance_type=optional_text(fields, "instance_type"),
            cluster_size=optional_integer(fields, "cluster_size"),
            timeout_seconds=integer(fields, "timeout_seconds", 1, MAX_TIMEOUT_SECONDS),
            environment=_environment(fields.get("environment") or {}),
            access=_access(as_object(fields.get("access"), "access")),
            result_key=text(fields, "result_key"),
            environment_key=optional_text(fields, "environment_key"),
        )


def _access(fields: Mapping[str, Any]) -> CatalogAccess:
    store = as_object(fields.get("object_store"), "access.object_store")
    keys = ("endpoint", "region", "bucket", "access_key_id", "secret_access_key")
    return CatalogAccess(
        catalog_uri=text(fields, "catalog_uri"),
        warehouse=text(fields, "warehouse"),
        token=text(fields, "token"),
        object_store=ObjectStoreAccess(**{key: text(store, key) for key in keys}),
    )


def _tables(entries: object) -> dict[str, str]:
    if not isinstance(entries, list):
        raise ValueError("tables must be a list")
    objects = [as_object(entry, "each of tables") for entry in entries]
    return {text(entry, "alias"): text(entry, "table") for entry in objects}


def _names(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("names must be a list of names, and not empty")
    return tuple(names)


def _environment(value: object) -> dict[str, str]:
    variables = as_object(value, "environment")
    if not all(isinstance(content, str) and "\0" not in content for content in variables.values()):
        raise ValueError("the values of environment must be strings without NUL")
    if not all(name and not {"=", "\0"} & set(name) for name in variables):
        raise ValueError("the names of environment must not be empty, nor have = or NUL in them")
    return variables
