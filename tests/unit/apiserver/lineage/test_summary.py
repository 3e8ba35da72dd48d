"""The JSON of lineage."""

from __future__ import annotations

from icefield_apiserver.features.lineage.summary import accesses_in, lineage_of


def test_tables_are_named_once_and_snapshots_each() -> None:
    made = lineage_of([("acme.a.t", 1), ("acme.a.t", 2), ("acme.a.u", None)], [("acme.a.w", 3)])
    assert made == {
        "read": ["acme.a.t", "acme.a.u"],
        "written": ["acme.a.w"],
        "read_snapshots": [{"table": "acme.a.t", "snapshot_id": 1}, {"table": "acme.a.t", "snapshot_id": 2}],
        "written_snapshots": [{"table": "acme.a.w", "snapshot_id": 3}],
        "read_files": [],
    }
    assert accesses_in(made, "read") == (("acme.a.t", 1), ("acme.a.t", 2), ("acme.a.u", None))
    assert accesses_in(made, "written") == (("acme.a.w", 3),)
    assert accesses_in({}, "read") == ()
