"""Tables as they are when a write is sent to its engine, so that a lost write can be judged by what became of them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from icefield_apiserver.core.catalog import IcebergCatalog
from icefield_apiserver.core.catalog import metadata as table_metadata
from icefield_apiserver.core.catalog.model import LoadedTable, LoadedView
from icefield_apiserver.core.errors import NotFound
from icefield_sql import TableName


@dataclass(frozen=True)
class TableState:
    """What identifies the state of a table or view (Iceberg, "Table Metadata" and "View Spec").

    Attributes:
        uuid: of the table or view: another one of the same name has another.
        metadata_location: URI of its metadata file; every commit writes a new one.
        sequence_number: of its newest snapshot; None for a view, and in format version 1, which does not number them.
        definition: digest of everything but the snapshots: schema, partitioning, sort order, properties, branches.
    """

    uuid: str
    metadata_location: str
    sequence_number: int | None
    definition: str

    @classmethod
    def of(cls, found: LoadedTable | LoadedView) -> Self:
        """Return the state of a table or view."""
        metadata, location = found.metadata, found.metadata_location
        if isinstance(found, LoadedView):
            return cls(str(metadata["view-uuid"]), location, None, location)
        is_numbered = int(metadata["format-version"]) > 1
        number = int(metadata.get("last-sequence-number") or 0) if is_numbered else None
        return cls(str(metadata["table-uuid"]), location, number, _definition(metadata))

    @property
    def is_view(self) -> bool:
        """Whether it is that of a view, which its metadata file defines as a whole."""
        return self.definition == self.metadata_location

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the state in a JSON object of `to_json`."""
        return cls(**fields)


@dataclass(frozen=True)
class BeforeWrite:
    """What is recorded of a write before it is sent.

    Attributes:
        command: the statement's name, such as INSERT or ALTER TABLE.
        tables: the state of each table and view that it writes, by name; None of one that did not exist.
    """

    command: str
    tables: Mapping[TableName, TableState | None]

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        tables = [
            {"namespace": name.namespace, "name": name.name, "state": state.to_json() if state else None}
            for name, state in self.tables.items()
        ]
        return {"command": self.command, "tables": tables}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return what is in a JSON object of `to_json`."""
        states = {
            TableName(tuple(each["namespace"]), each["name"]): each["state"] and TableState.from_json(each["state"])
            for each in fields["tables"]
        }
        return cls(str(fields["command"]), states)


async def load_all(
    catalog: IcebergCatalog, names: Iterable[TableName]
) -> dict[TableName, LoadedTable | LoadedView | None]:
    """Return the tables and views of these names as they are now; None for one that does not exist.

    Raises:
        ApiError: the catalog is unavailable.
    """
    listed = list(names)
    found = await asyncio.gather(*(_load(catalog, name) for name in listed))
    return dict(zip(listed, found, strict=True))


async def _load(catalog: IcebergCatalog, name: TableName) -> LoadedTable | LoadedView | None:
    try:
        return await catalog.load_table(name.namespace, name.name)
    except NotFound:
        pass
    try:
        return await catalog.load_view(name.namespace, name.name)
    except NotFound:
        return None


def _definition(metadata: Mapping[str, Any]) -> str:
    """Return the digest of what statements other than INSERT, UPDATE, DELETE and MERGE change in a table."""
    refs: Mapping[str, Mapping[str, Any]] = metadata.get("refs") or {}
    definition = {
        "format-version": metadata["format-version"],
        "location": metadata["location"],
        "schema": table_metadata.current_schema(metadata),
        "spec": _by_id(metadata, "partition-specs", "spec-id", metadata.get("default-spec-id")),
        "order": _by_id(metadata, "sort-orders", "order-id", metadata.get("default-sort-order-id")),
        "properties": metadata.get("properties") or {},
        # The head of main moves with every snapshot.
        "refs": {name: ref for name, ref in refs.items() if name != "main"},
    }
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


def _by_id(metadata: Mapping[str, Any], field: str, id_field: str, wanted: Any) -> Any:
    return next((each for each in metadata.get(field) or () if each.get(id_field) == wanted), None)
