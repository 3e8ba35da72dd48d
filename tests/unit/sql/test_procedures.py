"""CALL: arguments by position and by name are checked as one, and Spark is given each by its name."""

from __future__ import annotations

import pytest

import icefield_sql as sql
from icefield_sql import Names, SqlError, Table

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset({"polnor"}), ("demo",))
CATALOG = MemoryCatalog({"demo.orders": Table("s3://lake/orders.metadata.json", 1)})
TABLE = "table => '`acme`.`demo`.`orders`'"


async def spark(arguments: str, procedure: str) -> str:
    statement = sql.parse(f"CALL acme.system.{procedure}({arguments})", NAMES)
    written = sql.compile(await sql.resolve(statement, CATALOG)).sql
    return written.removeprefix(f"CALL `acme`.`system`.`{procedure}` ")


@pytest.mark.parametrize(
    ("procedure", "arguments", "written"),
    [
        ("expire_snapshots", "'demo.orders'", f"({TABLE})"),
        ("expire_snapshots", "table => 'orders'", f"({TABLE})"),
        ("expire_snapshots", "retain_last => 2, \"TABLE\" => 'orders'", f"(retain_last => 2, {TABLE})"),
        (
            "expire_snapshots",
            "'orders', TIMESTAMP '2024-01-01', retain_last => 2L",
            f"({TABLE}, older_than => TIMESTAMP '2024-01-01', retain_last => 2L)",
        ),
        ("expire_snapshots", "'orders', snapshot_ids => array(1, -2)", None),
        ("expire_snapshots", "'orders', NULL, (5)", f"({TABLE}, retain_last => ( 5 ))"),
        ("remove_orphan_files", "'orders', NULL, NULL, true", f"({TABLE}, dry_run => true, prefix_listing => true)"),
        ("remove_orphan_files", "'orders', prefix_listing => false", f"({TABLE}, prefix_listing => false)"),
        (
            "remove_orphan_files",
            "'orders', dry_run => false, location => NULL",
            f"({TABLE}, dry_run => false, prefix_listing => true)",
        ),
        (
            "rewrite_data_files",
            """'orders', 'sort', 'id DESC NULLS LAST, "a b", bucket(4, id)'""",
            f"({TABLE}, strategy => 'sort', sort_order => 'id DESC NULLS LAST , `a b` , bucket ( 4 , id )')",
        ),
        ("rewrite_data_files", "'orders', sort_order => 'zorder(id, name)', options => map('a', 'b')", None),
        ("rollback_to_timestamp", "timestamp => TIMESTAMP '2024-01-01', table => 'polnor.demo.orders'", None),
        ("fast_forward", "'orders', 'main', 'audit'", f"({TABLE}, branch => 'main', to => 'audit')"),
    ],
)
async def test_every_argument_is_passed_on_by_its_name(procedure: str, arguments: str, written: str | None) -> None:
    text = await spark(arguments, procedure)
    assert TABLE in text
    if written is not None:
        assert text == written


@pytest.mark.parametrize(
    ("procedure", "arguments", "reason"),
    [
        ("remove_orphan_files", "'orders', NULL, 's3://other'", "location"),
        ("remove_orphan_files", "'orders', NULL, NULL, true, 1, 'v'", "file_list_view"),
        ("remove_orphan_files", "'orders', NULL, NULL, true, 1, NULL, map('s3a', 's3')", "equal_schemes"),
        ("remove_orphan_files", "'orders', \"location\" => 's3://other'", "location"),
        ("rewrite_data_files", "'orders', 'sort', 'id', map(), 'id = 1'", "argument where"),
        ("rewrite_data_files", "'orders', WHERE => 'id = 1'", "argument where"),
        ("rewrite_position_delete_files", "'orders', map(), 'id = 1'", "argument where"),
        ("rewrite_manifests", "'orders', nope => 1", "no argument nope; it has: table, use_caching, spec_id"),
        ("rewrite_manifests", "'orders', table => 'orders'", "table of a procedure is given twice"),
        ("rewrite_manifests", "'orders', spec_id => 1, SPEC_ID => 2", "spec_id of a procedure is given twice"),
        ("rewrite_manifests", "'orders', true, 1, 2", "at most 3 arguments"),
        ("rewrite_manifests", "table => 'orders', true", "cannot follow one with a name"),
        ("rewrite_manifests", "", "needs its table"),
        ("rewrite_manifests", "NULL, true", "needs its table"),
        ("rewrite_manifests", "use_caching => true", "needs its table"),
        ("rewrite_manifests", "'orders' 'x'", ", is expected"),
        ("rewrite_manifests", "concat('or', 'ders')", "literals, array"),
        ("rewrite_manifests", "'orders', 1 + 2", ", is expected"),
        ("rewrite_manifests", "'orders', array(reflect('a', 'b'))", "literals, array"),
        ("rewrite_manifests", "'orders', (SELECT 1)", "literals, array"),
        ("rewrite_data_files", "'orders', 'sort', 'reflect(id)'", "sort order 'reflect\\(id\\)'"),
        ("rewrite_data_files", "'orders', 'sort', 'a.bucket(4, id)'", "cannot stand in a sort order"),
        ("rewrite_data_files", "'orders', 'sort', 'id; DROP TABLE orders'", "sort order"),
        ("rewrite_data_files", "'orders', 'sort', 'id + 1'", "sort order"),
        ("rewrite_data_files", "'orders', 'sort', 'id NULLS 1'", "FIRST or LAST"),
        ("rewrite_data_files", "'orders', 'sort', ''", "sort order"),
        ("rewrite_data_files", "'orders', 'sort', array('id')", "sort_order of a procedure is a string"),
    ],
)
def test_what_is_refused(procedure: str, arguments: str, reason: str) -> None:
    with pytest.raises(SqlError, match=reason):
        sql.parse(f"CALL system.{procedure}({arguments})", NAMES)
