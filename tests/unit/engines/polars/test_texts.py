"""Names of tables, first keywords of statements, and descriptions of errors."""

from __future__ import annotations

import errno

import polars as pl
import pytest

from icefield_crds.wire.outcome import FailureKind
from icefield_engines.polars.errors import SCRIPT_NAME, WorkloadError, describe, kind_of, line_of, note_line
from icefield_engines.polars.query import first_keyword
from icefield_engines.polars.script import frame_of
from icefield_engines.polars.tables import resolve, store_options

NAMES = ("acme", "oleander")


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("default.flowers", ("default", "flowers")),
        ("oleander.default.flowers", ("default", "flowers")),
        ("acme.sales.flowers", ("sales", "flowers")),
        ("Acme.Sales.flowers", ("Sales", "flowers")),
        ("sales.default.flowers", ("sales", "flowers")),
        ("oleander.sales.default.flowers", ("sales", "flowers")),
        ("sales.north.flowers", ("sales", "north", "flowers")),
        ("acme.sales.north.flowers", ("sales", "north", "flowers")),
        ("other.sales.north", ("other", "sales", "north")),
    ],
)
def test_names(name: str, identifier: tuple[str, ...]) -> None:
    assert resolve(name, NAMES) == identifier


@pytest.mark.parametrize("name", ["flowers", "oleander.flowers", "a..b", "a.b.c.d", "", ".", "acme.a.b.c.d"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        resolve(name, NAMES)
    assert caught.value.kind == FailureKind.TABLE_NOT_FOUND
    assert caught.value.sentence.startswith(f"'{name}' is no name of a table")


@pytest.mark.parametrize(
    ("sql", "keyword"),
    [
        ("select 1", "SELECT"),
        ("  ((WITH a AS (SELECT 1) SELECT 1))", "WITH"),
        ("-- delete\n/* drop\n */ insert into t", "INSERT"),
        ("", ""),
        ("-- only", ""),
        ("(" * 100_000, ""),
    ],
)
def test_first_keywords(sql: str, keyword: str) -> None:
    assert first_keyword(sql) == keyword


def test_polars_errors_are_told_without_its_plan() -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError) as caught:
        pl.LazyFrame({"a": [1]}).select("b").collect()
    sentence = 'unable to find column "b"; valid columns: ["a"] Did you mean "a"?'
    assert describe(caught.value) == f"ColumnNotFoundError: {sentence}"


def test_errors_that_say_nothing_or_cannot() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise OSError

    assert describe(SilentError()) == "SilentError"
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert describe(ValueError("a\n\tb")) == "ValueError: a b"


def test_kinds() -> None:
    assert kind_of(OSError(errno.ENOSPC, "full"), FailureKind.SCRIPT) == FailureKind.DISK
    assert kind_of(OSError(errno.EACCES, "no"), FailureKind.SCRIPT) == FailureKind.SCRIPT
    assert kind_of(MemoryError(), FailureKind.QUERY) == FailureKind.MEMORY
    assert kind_of(WorkloadError(FailureKind.WRITE, "no"), FailureKind.QUERY) == FailureKind.WRITE


def test_the_line_is_the_innermost_of_the_script() -> None:
    code = compile("import json\ndef f():\n  json.loads('{')\n\nf()", SCRIPT_NAME, "exec")
    with pytest.raises(ValueError) as raised:
        exec(code, {})  # noqa: S102 - a script of the test's own
    assert line_of(raised.value) == 3
    assert line_of(ValueError()) is None
    noted = ValueError()
    note_line(noted, 7)
    assert line_of(noted) == 7


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ({}, "the script did not assign `result`"),
        ({"result": None}, "assigned None to it"),
        ({"result": 1}, "assigned an int to it"),
        ({"result": pl.Series()}, "assigned a Series to it"),
        ({"result": pl.LazyFrame().group_by("a")}, "assigned a LazyGroupBy to it"),
    ],
)
def test_what_is_no_result(scope: dict[str, object], message: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        frame_of(scope)
    assert message in caught.value.sentence


def test_polars_is_told_what_opens_the_store() -> None:
    class Io:
        properties = {  # noqa: RUF012
            "s3.endpoint": "http://store:7070",
            "s3.region": "eu-1",
            "s3.access-key-id": "key",
            "s3.secret-access-key": "secret",
            "uri": "http://api",
        }

    assert store_options(Io()) == {  # type: ignore[arg-type]
        "aws_endpoint_url": "http://store:7070",
        "aws_region": "eu-1",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_virtual_hosted_style_request": "false",
        "aws_allow_http": "true",
    }
