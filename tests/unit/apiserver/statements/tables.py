"""Metadata of a table at successive moments, as Iceberg's REST catalogs return it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from icefield_apiserver.core.catalog import LoadedTable
from icefield_apiserver.features.statements.snapshots import PROPERTY

SCHEMA = {"schema-id": 0, "type": "struct", "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}


@dataclass(frozen=True)
class TableAt:
    """A table at one moment; each method returns the table after a commit."""

    uuid: str = "11111111-0000-0000-0000-000000000000"
    version: int = 1
    format_version: int = 2
    snapshots: tuple[Mapping[str, Any], ...] = ()
    sequence_number: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)
    refs: Mapping[str, Any] = field(default_factory=dict)

    def snapshot(self, operation: str = "append", **summary: str) -> TableAt:
        """Return the table after a snapshot."""
        number = self.sequence_number + 1
        made = {
            "snapshot-id": 100 + number,
            "sequence-number": number if self.format_version > 1 else 0,
            "timestamp-ms": 1_800_000_000_000 + number,
            "summary": {"operation": operation, **summary},
        }
        main = {"snapshot-id": 100 + number, "type": "branch"}
        table = replace(self, snapshots=(*self.snapshots, made), sequence_number=number)
        return replace(table, version=self.version + 1, refs={**self.refs, "main": main})

    def signed(self, statement_id: str, operation: str = "append", **summary: str) -> TableAt:
        """Return the table after a snapshot of a statement."""
        return self.snapshot(operation, **{PROPERTY: statement_id, **summary})

    def altered(self, **properties: str) -> TableAt:
        """Return the table after a change of its properties."""
        return replace(self, version=self.version + 1, properties={**self.properties, **properties})

    def branched(self, name: str) -> TableAt:
        """Return the table after CREATE BRANCH."""
        head = {"snapshot-id": self.snapshots[-1]["snapshot-id"], "type": "branch"}
        return replace(self, version=self.version + 1, refs={**self.refs, name: head})

    def expired(self, kept: int) -> TableAt:
        """Return the table after all snapshots but the newest have expired."""
        return replace(self, version=self.version + 1, snapshots=self.snapshots[-kept:])

    def rolled_back(self) -> TableAt:
        """Return the table after main was set to the snapshot before."""
        main = {"snapshot-id": self.snapshots[-2]["snapshot-id"], "type": "branch"}
        return replace(self, version=self.version + 1, refs={**self.refs, "main": main})

    @property
    def loaded(self) -> LoadedTable:
        """The answer of the catalog."""
        metadata = {
            "format-version": self.format_version,
            "table-uuid": self.uuid,
            "location": "s3://lake/sales/orders",
            "last-sequence-number": self.sequence_number if self.format_version > 1 else 0,
            "current-schema-id": 0,
            "schemas": [SCHEMA],
            "default-spec-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": []}],
            "default-sort-order-id": 0,
            "sort-orders": [{"order-id": 0, "fields": []}],
            "properties": dict(self.properties),
            "refs": dict(self.refs),
            "current-snapshot-id": self.refs.get("main", {"snapshot-id": -1})["snapshot-id"],
            "snapshots": [dict(each) for each in self.snapshots],
        }
        return LoadedTable(f"s3://lake/sales/orders/metadata/v{self.uuid}-{self.version}.json", metadata)
