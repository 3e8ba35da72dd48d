"""GRANT, REVOKE and SHOW GRANTS as they are read."""

from __future__ import annotations

import pytest

from icefield_sql import GrantChange, Kind, Names, Show, SqlError, TableName, parse

NAMES = Names("acme", frozenset(["polnor"]))


@pytest.mark.parametrize(
    ("text", "change"),
    [
        (
            "GRANT SELECT ON TABLE sales.orders TO `ada@acme.eu`",
            GrantChange(("SELECT",), "sales", "orders", "ada@acme.eu", False),
        ),
        (
            "grant select, insert, select on database sales to analysts",
            GrantChange(("SELECT", "INSERT"), "sales", None, "analysts", False),
        ),
        ("REVOKE OWN ON acme.sales.orders FROM 'x@y.eu'", GrantChange(("OWN",), "sales", "orders", "x@y.eu", True)),
        ("GRANT OWN ON VIEW sales.raw.v TO `a team`;", GrantChange(("OWN",), "sales", "raw.v", "a team", False)),
        ("GRANT OWN ON SCHEMA polnor.sales TO a", GrantChange(("OWN",), "sales", None, "a", False)),
    ],
)
def test_a_change(text: str, change: GrantChange) -> None:
    statement = parse(text, NAMES)
    assert (statement.kind, statement.grant, statement.needs_editor) == (Kind.GRANT, change, True)


def test_show() -> None:
    orders = TableName(("sales",), "orders")
    assert parse("SHOW GRANTS ON TABLE sales.orders", NAMES).show == Show("grants", ("sales",), orders)
    assert parse("SHOW GRANTS `a@b.eu` ON SCHEMA sales", NAMES).show == Show("grants", ("sales",), key="a@b.eu")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("GRANT SELCT ON TABLE sales.o TO x", "Line 1, column 7: There is no privilege SELCT; did you mean SELECT?"),
        (
            "GRANT ALL ON TABLE sales.o TO x",
            "Line 1, column 7: There is no privilege ALL; there are: SELECT, INSERT, OWN.",
        ),
        (
            "GRANT SELECT ON SCHEMA sales.raw TO x",
            "Line 1, column 24: Grants are on databases and on tables, and sales.raw is neither.",
        ),
        ("GRANT SELECT ON TABLE sales.orders", "The statement ends where TO is expected."),
    ],
)
def test_mistakes(text: str, sentence: str) -> None:
    with pytest.raises(SqlError) as raised:
        parse(text, NAMES)
    assert raised.value.sentence == sentence
