"""What a sandbox is told to do, read without any library: the supervisor reads it too, and stays small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = ("query", "script")
SAVE_MODES = ("overwrite", "append")
_MAX_TIMEOUT = 366 * 24 * 3600


@dataclass(frozen=True)
class ObjectStore:
    """What opens the workspace's part of the bucket."""

    endpoint: str
    region: str
    bucket: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class Access:
    """What opens the workspace's tables."""

    catalog_uri: str
    warehouse: str
    object_store: ObjectStore
    token: str = field(repr=False)


@dataclass(frozen=True)
class Workload:
    """One query or script."""

    id: str
    mode: str
    text: str = field(repr=False)
    """The query or the script, as the mode says."""
    tables: dict[str, str]
    """Names of tables by the alias that a query knows them by."""
    params: dict[str, Any] = field(repr=False)
    catalog: str | None
    names: tuple[str, ...]
    """What the catalog may be called; the workspace's own name comes first."""
    destination: str | None
    save_mode: str
    distributed: bool
    instance_type: str | None
    cluster_size: int | None
    timeout_seconds: int
    environment: dict[str, str] = field(repr=False)
    access: Access
    result_key: str

    @property
    def catalog_name(self) -> str:
        """What the workload calls the catalog."""
        return self.catalog or self.names[0]


def parse(body: object) -> Workload:
    """Return the workload that a JSON document tells of; fields that are not known are left alone.

    Raises:
        ValueError: a field is missing or of the wrong type; one sentence.
    """
    fields = _object(body, "the workload")
    mode = _one_of(fields, "mode", MODES)
    timeout = _integer(fields, "timeout_seconds")
    if not 0 < timeout <= _MAX_TIMEOUT:
        raise ValueError(f"timeout_seconds must be between 1 and {_MAX_TIMEOUT}")
    names = fields.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("names must be a list of names, and not empty")
    return Workload(
        id=_text(fields, "id"),
        mode=mode,
        text=_text(fields, mode),
        tables=_tables(fields.get("tables") or []),
        params=_object(fields.get("params") or {}, "params"),
        catalog=_optional_text(fields, "catalog"),
        names=tuple(names),
        destination=_optional_text(fields, "destination"),
        save_mode=_one_of({"save_mode": "overwrite", **fields}, "save_mode", SAVE_MODES),
        distributed=fields.get("distributed") is True,
        instance_type=_optional_text(fields, "instance_type"),
        cluster_size=_integer(fields, "cluster_size") if fields.get("cluster_size") is not None else None,
        timeout_seconds=timeout,
        environment=_texts(fields.get("environment") or {}, "environment"),
        access=_access(_object(fields.get("access"), "access")),
        result_key=_text(fields, "result_key"),
    )


def _access(fields: Mapping[str, Any]) -> Access:
    store = _object(fields.get("object_store"), "access.object_store")
    keys = ("endpoint", "region", "bucket", "access_key_id", "secret_access_key")
    return Access(
        catalog_uri=_text(fields, "catalog_uri"),
        warehouse=_text(fields, "warehouse"),
        token=_text(fields, "token"),
        object_store=ObjectStore(**{key: _text(store, key) for key in keys}),
    )


def _tables(entries: object) -> dict[str, str]:
    if not isinstance(entries, list):
        raise ValueError("tables must be a list")
    objects = [_object(entry, "each of tables") for entry in entries]
    return {_text(entry, "alias"): _text(entry, "table") for entry in objects}


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object")
    return value


def _texts(value: object, what: str) -> dict[str, str]:
    texts = _object(value, what)
    if not all(isinstance(text, str) and "\0" not in text for text in texts.values()):
        raise ValueError(f"the values of {what} must be strings without NUL")
    if not all(name and not {"=", "\0"} & set(name) for name in texts):
        raise ValueError(f"the names of {what} must not be empty, nor have = or NUL in them")
    return texts


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a string, and not empty")
    return value


def _optional_text(fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _one_of(fields: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = fields.get(name)
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}")
    return str(value)


def _integer(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer")
    return value
