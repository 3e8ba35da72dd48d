"""How much a query reads, from the tables' metadata, and the sandbox that this needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from icefield_apiserver.core.catalog import metadata as table_metadata
from icefield_crds.polars import MEMORY_PER_VCPU, Vcpus

GIB = 1024**3
MEDIUM_BYTES = GIB
LARGE_BYTES = 32 * GIB
MEMORY_PER_INPUT = 4
"""How much memory a sandbox has for each byte read: Parquet is compressed, and joins and sorts hold what they read."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class SizeBand(StrEnum):
    """How large an input is."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


@dataclass(frozen=True)
class InputTable:
    """A table that is read.

    Attributes:
        name: `database.table`, or with a schema.
        size_bytes: bytes of its data files and delete files; None where the snapshot's summary has no total.
        has_equality_deletes: whether rows are deleted by value, which Polars does not read.
    """

    name: str
    size_bytes: int | None
    has_equality_deletes: bool = False


@dataclass(frozen=True)
class Inputs:
    """What is read.

    Attributes:
        tables: the tables, each once.
        is_complete: whether these are all; a script that lists none may read any.
    """

    tables: tuple[InputTable, ...] = ()
    is_complete: bool = True

    @property
    def estimated_bytes(self) -> int | None:
        """The sum of the sizes that are known; None when the tables are not known."""
        return sum(table.size_bytes or 0 for table in self.tables) if self.is_complete else None

    @property
    def band(self) -> SizeBand | None:
        """How large that is; None when nothing is known."""
        estimated = self.estimated_bytes
        if estimated is None:
            return None
        if estimated < MEDIUM_BYTES:
            return SizeBand.SMALL
        return SizeBand.MEDIUM if estimated < LARGE_BYTES else SizeBand.LARGE

    @property
    def vcpus(self) -> Vcpus:
        """The smallest sandbox with enough memory for it, or the largest that there is."""
        wanted = MEMORY_PER_INPUT * (self.estimated_bytes or 0)
        return next((tier for tier in Vcpus if tier * MEMORY_PER_VCPU >= wanted), max(Vcpus))

    def sentences(self) -> list[str]:
        """Return in sentences how much is read."""
        if not self.is_complete:
            return ["The script lists no tables, so how much it reads is not known."]
        if not self.tables or self.band is None:
            return ["The query reads no tables."]
        count = (
            "The table that it reads holds"
            if len(self.tables) == 1
            else f"The {len(self.tables)} tables that it reads hold"
        )
        sentences = [
            f"{count} {format_bytes(self.estimated_bytes or 0)}, which is {self.band.value} ({_BOUNDS[self.band]})."
        ]
        unsized = [table.name for table in self.tables if table.size_bytes is None]
        sentences += [f"The size of table {name} is unknown; it counts as empty." for name in unsized]
        return sentences


NOTHING_READ = Inputs()

_BOUNDS = {
    SizeBand.SMALL: "less than 1 GiB",
    SizeBand.MEDIUM: "from 1 GiB to less than 32 GiB",
    SizeBand.LARGE: "32 GiB or more",
}


def input_table(name: str, metadata: Mapping[str, Any], snapshot_id: int | None) -> InputTable:
    """Return how much a table holds, by the summary of a snapshot (Iceberg, "Optional Snapshot Summary Fields").

    Args:
        name: the table's name.
        metadata: its Iceberg metadata.
        snapshot_id: the snapshot that is read; None for the current one.
    """
    wanted = table_metadata.current_snapshot_id(metadata) if snapshot_id is None else snapshot_id
    if wanted is None:
        return InputTable(name, 0)
    found = next((s for s in metadata.get("snapshots") or () if s["snapshot-id"] == wanted), None)
    if found is None:
        return InputTable(name, None)
    snapshot = table_metadata.snapshot_of(found)
    return InputTable(name, snapshot.size_bytes, snapshot.summary.get("total-equality-deletes", "0") != "0")


def format_bytes(size_bytes: int) -> str:
    """Return a number of bytes in a readable unit, such as `1.5 GiB`."""
    size, unit = float(size_bytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size_bytes} bytes" if unit == 0 else f"{size:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"
