"""Files in statements: which paths and options are taken, and what DuckDB is given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import icefield_sql as sql
from icefield_sql import Column, FilePattern, FileRead, FileSet, Names, SqlError, StoredFile

NAMES = Names("acme", frozenset({"polnor"}))
PATH = "volumes/sales/raw/a.csv"
URL = f"s3://bucket/workspaces/acme/{PATH}"


class NoCatalog:
    """A catalog without tables."""

    async def load(self, name: Any) -> None: ...

    async def namespaces(self, parent: Any) -> list[Any]:
        return []

    async def relations(self, namespace: Any) -> list[Any]:
        return []


class OneFile:
    """A workspace with one file of three columns."""

    async def read(self, read: FileRead) -> FileSet:
        columns = (Column("id", "bigint"), Column("name", "string"), Column("at", "timestamp"))
        return FileSet((StoredFile(PATH, URL, "etag", 3),), columns)


def planned(query: str, dialect: str = "icefield", engine: Any = "auto") -> sql.Compiled:
    """Return the plan of a statement that may read files."""
    statement = sql.parse(query, NAMES, dialect=dialect)
    return sql.compile(asyncio.run(sql.resolve(statement, NoCatalog(), OneFile())), engine)


def test_a_file_is_read_by_duckdb_with_sparks_types() -> None:
    plan = planned(f"SELECT upper(name) AS n, at FROM read_csv('{PATH}', header => true) WHERE id > 1")
    assert (plan.engine, plan.is_write, plan.files) == (sql.Engine.DUCKDB, False, (PATH,))
    assert f"read_csv(['{URL}'], header = true)" in plan.sql
    assert 'CAST("id" AS BIGINT) AS "id"' in plan.sql
    assert 'CAST("at" AS TIMESTAMPTZ) AS "at"' in plan.sql


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("sep => ';', nullValue => 'NA'", "delim = ';', nullstr = ['NA']"),
        ("inferSchema => false", "all_varchar = true"),
        ("dateFormat => 'dd.MM.yyyy'", "dateformat = '%d.%m.%Y'"),
        ("timestampFormat => 'yyyy-MM-dd''T''HH:mm:ss'", "timestampformat = '%Y-%m-%dT%H:%M:%S'"),
        ("dateformat = '%d.%m.%Y'", "dateformat = '%d.%m.%Y'"),
        ("schema => 'id INT, amount DECIMAL(10,2)'", "columns = {'id': 'INTEGER', 'amount': 'DECIMAL(10, 2)'}"),
        ("columns => map('id', 'bigint', 'at', 'timestamp')", "columns = {'id': 'BIGINT', 'at': 'TIMESTAMPTZ'}"),
        ("mode => 'DROPMALFORMED'", "ignore_errors = true"),
        ("header => 'true', skipRows => '2'", "header = true, skip = 2"),
        ("multiLine => true", ""),
        ("quote => ''''", "quote = ''''"),
    ],
)
def test_options_are_duckdbs_or_sparks(options: str, text: str) -> None:
    wanted = f"read_csv(['{URL}'], {text})" if text else f"read_csv(['{URL}'])"
    assert wanted in planned(f"SELECT * FROM read_csv('{PATH}', {options})").sql


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("read_csv('/etc/passwd')", "volumes/<database>/<volume>/<path>"),
        ("read_csv('etc/passwd')", "volumes/<database>/<volume>/<path>"),
        ("read_csv('volumes/sales/raw')", "volumes/<database>/<volume>/<path>"),
        ("read_csv('volumes/sales/raw/../x')", "`..`"),
        ("read_csv('volumes/sales/raw/%2E%2e/x')", "encoded"),
        ("read_csv('volumes/sales/raw/a%2fb')", "encoded"),
        (r"read_csv('volumes/sales/raw/a\\b')", "character"),
        ("read_csv('volumes/sales/*/x')", "named in full"),
        ("read_csv('volumes//raw/x')", "empty part"),
        ("read_csv('https://example.org/a.csv')", "cannot be read"),
        ("read_csv('file:///volumes/sales/raw/a.csv')", "cannot be read"),
        ("read_csv('s3a://bucket/workspaces/acme/a.csv')", "cannot be read"),
        ("read_csv('s3:/bucket/x')", "empty part"),
        ("read_csv('s3://bucket/a/../b')", "`..`"),
        ("read_csv('s3://bucket')", "names no file"),
        ("read_csv('')", "1 to 1024"),
        ("read_csv()", "literals"),
        ("read_csv(concat('volumes/sales/raw/', 'a.csv'))", "literals"),
        ("read_csv((SELECT 'x'))", "literals"),
        (f"read_csv('{PATH}', 'x')", "literals"),
        (f"read_csv('{PATH}', header => (SELECT true))", "literals"),
        (f"read_csv('{PATH}', headr => true)", "did you mean header?"),
        (f"read_csv('{PATH}', store_rejects => true)", "no option store_rejects"),
        (f"read_csv('{PATH}', header => 7)", "takes true or false"),
        (f"read_csv('{PATH}', skip => 'many')", "takes an integer"),
        (f"read_csv('{PATH}', schema => 'id NOTYPE')", "not known"),
        (f"read_csv('{PATH}', sep => ';', delim => ',')", "given twice"),
        (f"read_csv('{PATH}', header => true, HEADER => true)", "given twice"),
        (f"read_csv('{PATH}', mode => 'PERMISSIVE')", "FAILFAST"),
        (f"read_csv('{PATH}', dateFormat => 'QQ')", "letters QQ"),
        (f"read_parquet('{PATH}', encryption_config => 'x')", "no option encryption_config"),
        (f"read_text('{PATH}')", "read_text is not supported"),
        (f"range(1), LATERAL read_csv('{PATH}')", "stands in FROM"),
    ],
)
def test_what_is_no_file_of_a_workspace_or_no_literal_is_refused(call: str, why: str) -> None:
    with pytest.raises(SqlError) as refused:
        sql.parse(f"SELECT * FROM {call}", NAMES)
    assert why in refused.value.sentence


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT read_csv('{PATH}')",
        f"CREATE VIEW sales.v AS SELECT * FROM read_csv('{PATH}')",
        f"DELETE FROM sales.t WHERE id IN (SELECT id FROM read_csv('{PATH}'))",
        f"SELECT * FROM `{PATH}`",
        f"SELECT * FROM '{PATH}'",
    ],
)
def test_files_stand_in_from_of_a_query_alone(query: str) -> None:
    with pytest.raises(SqlError):
        sql.parse(query, NAMES)


def test_files_run_on_duckdb_alone() -> None:
    with pytest.raises(SqlError, match="read_csv is a function of DuckDB"):
        planned(f"SELECT * FROM read_csv('{PATH}')", engine="spark")


def test_statements_elsewhere_read_no_files() -> None:
    statement = sql.parse(f"SELECT * FROM read_csv('{PATH}')", NAMES)
    with pytest.raises(SqlError, match="SQL statements on warehouses"):
        asyncio.run(sql.resolve(statement, NoCatalog()))


def test_duckdbs_own_dialect_reads_files_too() -> None:
    text = planned(f"FROM read_csv(['{PATH}'], header = true, columns = {{'id': 'INT'}})", "duckdb").sql
    assert f"read_csv(['{URL}'], columns = {{'id': 'INTEGER'}}, header = true)" in text


@pytest.mark.parametrize(
    ("pattern", "matches", "does_not"),
    [
        ("a.csv", ["a.csv", "a.csv/x"], ["b.csv", "a.csvx", "_a.csv"]),
        ("in", ["in/a", "in/b/c"], ["in/_SUCCESS", "in/_tmp/a", "in/.x", "inn/a"]),
        ("in/", ["in/a", "in/b/c"], ["in"]),
        ("*.csv", ["a.csv"], ["_a.csv", ".a.csv", "in/a.csv"]),
        ("**/*.csv", ["a.csv", "x/y/a.csv"], ["_x/a.csv", "a.txt"]),
        ("in/**", ["in/a", "in/b/c"], ["in", "a"]),
        ("d?/[a-c]*.csv", ["d1/a.csv", "d1/ca.csv"], ["d10/a.csv", "d1/d.csv"]),
        ("[!a]*", ["b"], ["a", "_b"]),
        ("_x.csv", ["_x.csv"], []),
        ("", ["a", "b/c"], ["_a"]),
    ],
)
def test_patterns_are_the_shells(pattern: str, matches: list[str], does_not: list[str]) -> None:
    found = FilePattern(pattern)
    assert [path for path in (*matches, *does_not) if found.matches(path)] == matches


def test_a_pattern_of_many_stars_is_matched_in_no_time() -> None:
    assert not FilePattern("*a" * 300).matches("a" * 900 + "b")


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("COPY (SELECT 1 AS a) TO 'volumes/sales/raw/a.csv'", "HEADER true"),
        (
            "COPY (SELECT 1 AS a) TO 'volumes/sales/raw/x' (FORMAT csv, HEADER false, SEP '|')",
            "DELIMITER '|', HEADER false",
        ),
        ("COPY (SELECT 1 AS a) TO 'volumes/sales/raw/a.parquet' (COMPRESSION zstd)", "COMPRESSION 'zstd'"),
        ("COPY (SELECT 1 AS a) TO 'volumes/sales/raw/out/' (FORMAT json, ARRAY)", "ARRAY true"),
    ],
)
def test_copy_to_writes_the_rows_of_a_query(query: str, options: str) -> None:
    plan = planned(query)
    assert (plan.engine, plan.is_write, plan.sql) == (sql.Engine.DUCKDB, False, "SELECT 1 AS a")
    assert plan.export is not None
    assert plan.export.options == options
    assert sql.parse(query, NAMES).needs_editor


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("COPY sales.t TO 'volumes/sales/raw/a.csv'", "COPY (SELECT * FROM t)"),
        ("COPY (SELECT 1) TO 'volumes/sales/raw/*.csv'", "pattern"),
        ("COPY (SELECT 1) TO 'volumes/sales/raw/x'", "needs a format"),
        ("COPY (SELECT 1) TO 'volumes/sales/raw/a.csv' (heder)", "did you mean header?"),
        ("COPY (SELECT 1) TO 'volumes/sales/raw/a.csv' (header 7)", "takes true or false"),
        ("COPY (SELECT 1) TO '/tmp/a.csv'", "volumes/<database>/<volume>/<path>"),
        ("COPY (DELETE FROM sales.t) TO 'volumes/sales/raw/a.csv'", "query"),
        ("COPY (SELECT 1) TO 'volumes/sales/raw/a.csv'; SELECT 1", "One statement"),
        ("COPY INTO t FROM 'volumes/sales/raw/a.csv' FILEFORMAT = CSV", "needs its database"),
        ("COPY INTO sales.t FROM '/tmp' FILEFORMAT = CSV", "volumes/<database>/<volume>/<path>"),
        ("COPY INTO sales.t FROM 'volumes/sales/raw/a' FILEFORMAT = AVRO", "CSV, PARQUET or JSON"),
        ("COPY INTO sales.t FROM 'volumes/sales/raw' FILEFORMAT = CSV", "volumes/<database>/<volume>/<path>"),
        ("COPY INTO sales.t FROM 'volumes/sales/raw/' FILEFORMAT = CSV FILES = ('../x')", "`..`"),
        ("COPY INTO sales.t FROM 'volumes/sales/raw/' FILEFORMAT = CSV FILES = ('*.csv')", "PATTERN"),
        ("COPY INTO sales.t FROM 'volumes/sales/raw/' FILEFORMAT = CSV COPY_OPTIONS ('forse' = 'true')", "mean force?"),
        (
            "COPY INTO sales.t FROM 'volumes/sales/raw/' FILEFORMAT = CSV FORMAT_OPTIONS ('heder' = 'true')",
            "mean header?",
        ),
    ],
)
def test_copies_that_are_none_are_refused(query: str, why: str) -> None:
    with pytest.raises(SqlError) as refused:
        sql.parse(query, NAMES)
    assert why in refused.value.sentence
