"""Lineage as REST says it."""

from __future__ import annotations

from icefield_apiserver.lineage.body import body, seen


def test_tables_are_named_once_and_snapshots_each() -> None:
    made = body([("acme.a.t", 1), ("acme.a.t", 2), ("acme.a.u", None)], [("acme.a.w", 3)])
    assert made == {
        "read": ["acme.a.t", "acme.a.u"],
        "written": ["acme.a.w"],
        "read_snapshots": [{"table": "acme.a.t", "snapshot_id": 1}, {"table": "acme.a.t", "snapshot_id": 2}],
        "written_snapshots": [{"table": "acme.a.w", "snapshot_id": 3}],
    }
    assert seen(made, "read") == (("acme.a.t", 1), ("acme.a.t", 2), ("acme.a.u", None))
    assert seen(made, "written") == (("acme.a.w", 3),)
    assert seen({}, "read") == ()
