"""What maintenance says in SQL; the plan of statements must take it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.maintenance.plan import MaintenancePlan
from icefield_apiserver.features.maintenance.statements import statements_of
from icefield_sql import Names, TableName, parse

EVERYTHING = MaintenancePlan(
    ("compact", "expire_snapshots", "remove_orphan_files"),
    older_than=datetime(2026, 1, 1, tzinfo=UTC),
    retain_last=3,
    target_file_size_bytes=128 * 1024 * 1024,
)


def test_each_operation_is_a_procedure() -> None:
    assert statements_of("acme-x", ("sales",), "orders", EVERYTHING) == [
        "CALL `acme-x`.system.rewrite_data_files(table => 'sales.orders', "
        "options => map('min-input-files', '2', 'target-file-size-bytes', '134217728'))",
        "CALL `acme-x`.system.expire_snapshots(table => 'sales.orders', "
        "older_than => TIMESTAMP '2026-01-01 00:00:00.000000+00:00', retain_last => 3)",
        "CALL `acme-x`.system.remove_orphan_files(table => 'sales.orders', "
        "older_than => TIMESTAMP '2026-01-01 00:00:00.000000+00:00', prefix_listing => true)",
    ]


@pytest.mark.parametrize(
    ("namespace", "table"), [(("sales",), "orders"), (("my sales", "raw"), "t-1"), (("ü",), "größe"), (("a",), "b(c)")]
)
def test_the_plan_takes_them(namespace: tuple[str, ...], table: str) -> None:
    for text in statements_of("acme-x", namespace, table, EVERYTHING):
        statement = parse(text, Names("acme-x"))
        assert statement.is_write
        assert statement.writes == (TableName(namespace, table),)


def test_an_operation_is_done_once() -> None:
    with pytest.raises(BadRequest, match="twice"):
        statements_of("acme", ("sales",), "t", MaintenancePlan(("compact", "compact")))
