"""What the name of an output table means."""

from __future__ import annotations

import pytest

from icefield_engines.spark_application.errors import ApplicationError
from icefield_engines.spark_application.query import table_of

NAMES = ["acme", "oleander"]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("sales.orders", "`sales`.`orders`"),
        ("acme.sales.orders", "`sales`.`orders`"),
        ("Oleander.sales.orders", "`sales`.`orders`"),
        ("sales.default.orders", "`sales`.`orders`"),
        ("sales.raw.orders", "`sales`.`raw`.`orders`"),
        ("oleander.sales.raw.orders", "`sales`.`raw`.`orders`"),
        ("default.one-off", "`default`.`one-off`"),
    ],
)
def test_a_table_with_or_without_catalog_and_schema(text: str, quoted: str) -> None:
    assert table_of(text, NAMES).quoted == quoted


@pytest.mark.parametrize("text", ["orders", "acme.orders", "a.b.c.d", "acme.a.b.c.d"])
def test_anything_else_is_no_table(text: str) -> None:
    with pytest.raises(ApplicationError, match="is not the name of a table"):
        table_of(text, NAMES)
