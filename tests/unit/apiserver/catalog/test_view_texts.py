"""Which text of a view is read: the one that Spark reads, however its dialect is spelled."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.catalog.metadata import text_of_view


@pytest.mark.parametrize("dialect", ["spark", "SPARK", "\u017fpark"])
@pytest.mark.parametrize("kind", ["sql", "SQL", "\u017fql"])
def test_spark_s_text_is_read(dialect: str, kind: str) -> None:
    representations = [
        {"type": "sql", "sql": "SELECT 1", "dialect": "trino"},
        {"type": kind, "sql": "SELECT 2", "dialect": dialect},
    ]
    assert text_of_view({"representations": representations}) == ("SELECT 2", "spark")


def test_the_first_of_two_is_read() -> None:
    representations = [
        {"type": "sql", "sql": "SELECT 1", "dialect": "\u017fpark"},
        {"type": "sql", "sql": "SELECT 2", "dialect": "spark"},
    ]
    assert text_of_view({"representations": representations}) == ("SELECT 1", "spark")


def test_a_view_may_have_no_text() -> None:
    assert text_of_view({}) == ("", "spark")
