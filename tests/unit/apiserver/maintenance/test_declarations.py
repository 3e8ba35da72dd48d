"""What declared maintenance is about."""

from __future__ import annotations

import pytest

from icefield_apiserver.features.maintenance.declarations import Subject


@pytest.mark.parametrize(
    ("namespace", "table", "shown"),
    [
        (("sales",), "orders", "sales.orders"),
        (("sales", "default"), "orders", "sales.orders"),
        (("sales", "raw"), "events", "sales.raw.events"),
    ],
)
def test_a_table_has_one_name_below_its_database(namespace: tuple[str, ...], table: str, shown: str) -> None:
    subject = Subject.of_table(namespace, table)
    assert (subject.database, str(subject)) == ("sales", shown)
    assert subject.namespace == tuple(name for name in namespace if name != "default")


def test_a_database_is_its_own_namespace() -> None:
    assert Subject("sales").namespace == ("sales",)
