"""The lineage of one statement or run: the tables that it read and wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

TableAccess = tuple[str, int | None]
"""A table that was read or written, such as `acme.sales.orders`, and the snapshot read or committed, if any."""


class TableSnapshot(BaseModel):
    """A table and one of its snapshots."""

    table: str = Field(description="Name of the table with its catalog.", examples=["acme.sales.orders"])
    snapshot_id: int = Field(description="Id of the snapshot.")


class Lineage(BaseModel):
    """Tables that were read and written; stored with a statement in this form."""

    read: list[str] = Field(default=[], description="Names of the tables read.", examples=[["acme.sales.orders"]])
    written: list[str] = Field(default=[], description="Names of the tables written.")
    read_snapshots: list[TableSnapshot] = Field(default=[], description="Snapshots that were read.")
    written_snapshots: list[TableSnapshot] = Field(default=[], description="Snapshots that were committed.")
    read_files: list[str] = Field(default=[], description="Paths of the files read, as the statement names them.")


def lineage_of(
    read: Iterable[TableAccess], written: Iterable[TableAccess], *, files: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the JSON of a `Lineage`: each table once, in order of access, the snapshots, and paths of files."""
    read, written = list(dict.fromkeys(read)), list(dict.fromkeys(written))
    return {
        "read": list(dict.fromkeys(name for name, _ in read)),
        "written": list(dict.fromkeys(name for name, _ in written)),
        "read_snapshots": _snapshots(read),
        "written_snapshots": _snapshots(written),
        "read_files": list(files),
    }


def accesses_in(lineage: Mapping[str, Any], direction: str) -> tuple[TableAccess, ...]:
    """Return the accesses in the JSON of a `Lineage`.

    Args:
        lineage: the JSON.
        direction: read or written.
    """
    snapshots: Iterable[Mapping[str, Any]] = lineage.get(f"{direction}_snapshots", ())
    pairs: list[TableAccess] = [(each["table"], each["snapshot_id"]) for each in snapshots]
    named = {name for name, _ in pairs}
    return (*pairs, *((name, None) for name in lineage.get(direction, ()) if name not in named))


def _snapshots(accesses: list[TableAccess]) -> list[dict[str, Any]]:
    return [{"table": name, "snapshot_id": snapshot} for name, snapshot in accesses if snapshot]
