"""LIKE of SHOW: the answers of Spark's patterns, and of a pattern made to take long."""

from __future__ import annotations

import pytest

from icefield_sql import SqlError
from icefield_sql.show.patterns import MAX_LENGTH, matcher

NAMES = ["orders", "orders_old", "Items", "a.b", "items|x", "o"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (None, NAMES),
        ("*", NAMES),
        ("%", NAMES),
        ("orders", ["orders"]),
        ("ORDERS*", ["orders", "orders_old"]),
        ("*s", ["orders", "Items"]),
        ("o*s | items", ["orders", "Items"]),
        ("o*o*d", ["orders_old"]),
        ("o*o", []),
        ("*r*e*r*", ["orders", "orders_old"]),
        ("a.b", ["a.b"]),
        ("a?b", []),
        ("***", NAMES),
        ("", []),
        ("(o", []),
    ],
)
def test_what_matches(pattern: str | None, found: list[str]) -> None:
    matches = matcher(pattern)
    assert [name for name in NAMES if matches(name)] == found


def test_a_pattern_of_many_stars_has_an_end() -> None:
    """As a regular expression each would take longer than anybody waits."""
    assert not matcher("*a" * 490 + "*b")("a" * 255)
    assert not matcher("|".join(["*a*a*a*a*b"] * 80))("a" * 255)


def test_a_pattern_has_a_longest_length() -> None:
    with pytest.raises(SqlError, match="longer than"):
        matcher("a" * (MAX_LENGTH + 1))
