"""Names of databases that a catalog may treat as equal."""

from __future__ import annotations

import pytest

from icefield_apiserver.features.volumes.names import may_be_same


@pytest.mark.parametrize(
    "other",
    [
        "sales",
        "SALES",
        "Sales",
        "\u017fales",  # a long s
        "\uff33\uff21\uff2c\uff25\uff33",  # wide letters
        "sa\u00adles",  # a soft hyphen
        "sa\u200bles\ufe0f",
    ],
)
def test_same_in_one_case_or_another(other: str) -> None:
    assert may_be_same("sales", other)
    assert may_be_same(other, "sales")


def test_names_beyond_ascii() -> None:
    assert may_be_same("äpfel", "ÄPFEL")
    assert may_be_same("äpfel", "a\u0308pfel")


@pytest.mark.parametrize("other", ["sale", "saless", "s\u00e4les", "sales_", ""])
def test_others(other: str) -> None:
    assert not may_be_same("sales", other)
