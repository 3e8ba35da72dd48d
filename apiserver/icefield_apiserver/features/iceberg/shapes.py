"""Reads JSON of the protocol strictly: fields in the protocol's spelling, and of the types that it has. Pure.

Catalogs are laxer than the protocol in different ways (Go compares the names of fields without case): what they would
read must be what was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from icefield_apiserver.core.errors import BadRequest

_SHOWN_CHARACTERS = 80
_FIELDS = frozenset(
    {
        *("action", "default-catalog", "default-namespace", "destination", "dialect", "identifier", "location"),
        *("manifest-list", "manifests", "metadata-file", "metadata-location", "metadata-log", "name", "namespace"),
        *("partition-statistics", "properties", "representations", "snapshot", "snapshot-id", "snapshots", "sql"),
        *("operation", "ref-name", "source", "summary"),
        *("statistics", "statistics-path", "table-changes", "type", "updated", "updates", "view-version"),
    }
)
"""Fields whose values are checked."""


def _folded(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")


_SPELLINGS = {_folded(field): field for field in _FIELDS}


def fields(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object whose fields have the names that the protocol gives them.

    Raises:
        BadRequest: one is spelled otherwise, such as `metadataLocation`.
    """
    for key in value:
        if key not in _FIELDS and (meant := _SPELLINGS.get(_folded(key))):
            raise BadRequest(f"The protocol spells the field {shown(key)} as {meant}.")
    return value


def objects(value: object, field: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; an empty one where there is none.

    Raises:
        BadRequest: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise BadRequest(f"Field {field} is a list of objects.")
    return [fields(each) for each in value]


def at(value: Mapping[str, Any], path: Iterable[str]) -> object:
    """Return what is at a path of fields; None where nothing is."""
    found: object = value
    for name in path:
        found = fields(found).get(name) if isinstance(found, Mapping) else None
    return found


def is_namespace(value: object) -> bool:
    """Return whether a value is a list of strings."""
    return isinstance(value, list) and all(isinstance(level, str) for level in value)


def text(value: object) -> str:
    """Return a string; an empty one for anything else."""
    return value if isinstance(value, str) else ""


def shown(value: object) -> str:
    """Return a value of a request for an error message, cut short where it is long."""
    whole = value if isinstance(value, str) else repr(value)
    return whole if len(whole) <= _SHOWN_CHARACTERS else f"{whole[:_SHOWN_CHARACTERS]}…"
