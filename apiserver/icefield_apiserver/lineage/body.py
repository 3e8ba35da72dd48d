"""Lineage as REST says it, and as statements keep it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Seen = tuple[str, int | None]
"""A table as lineage shows it, such as `acme.sales.orders`, and the snapshot seen or made; None where there is none."""


def body(read: Iterable[Seen], written: Iterable[Seen]) -> dict[str, Any]:
    """Return the tables read and written, each once and in order, with the snapshots where there are any."""
    read, written = list(dict.fromkeys(read)), list(dict.fromkeys(written))
    return {
        "read": list(dict.fromkeys(name for name, _ in read)),
        "written": list(dict.fromkeys(name for name, _ in written)),
        "read_snapshots": _snapshots(read),
        "written_snapshots": _snapshots(written),
    }


def _snapshots(seen: list[Seen]) -> list[dict[str, Any]]:
    return [{"table": name, "snapshot_id": snapshot} for name, snapshot in seen if snapshot]


def seen(lineage: Mapping[str, Any], direction: str) -> tuple[Seen, ...]:
    """Return what `body` was made of.

    Args:
        lineage: what it returned.
        direction: read or written.
    """
    pairs: list[Seen] = [(each["table"], each["snapshot_id"]) for each in lineage.get(f"{direction}_snapshots", ())]
    named = {name for name, _ in pairs}
    return (*pairs, *((name, None) for name in lineage.get(direction, ()) if name not in named))
