"""Properties, defaults and sort orders: what text may reach an engine besides queries."""

from __future__ import annotations

import pytest

from icefield_sql import Names, SqlError, parse, property_problem

NAMES = Names("acme", frozenset({"polnor"}), ("demo",))

FORBIDDEN = [
    "location",
    "path",
    "write.data.path",
    "write.metadata.path",
    "write.object-storage.path",
    "write.folder-storage.path",
    "write.location-provider.impl",
    "WRITE.Location-Provider.Impl",
    " write.data.path ",
    "write.data . path",
    "write.data.path\t",
    "io-impl",
    "catalog-impl",
    "metrics-reporter-impl",
    "lock-impl",
    "encryption.key-id",
    "encryption.kms-impl",
    "encryption.data-key-length",
    "s3.endpoint",
    "s3.client-factory-impl",
    "client.factory",
    "rest.client.tls.configurer-impl",
    "warehouse",
    "uri",
    "option.path",
    "fs.s3a.impl",
    "io.compression.codecs",
    "hadoop.security.key.provider.path",
    "parquet.crypto.factory.class",
    "orc.key.provider",
    "write.data.path\u200b",
    "write.data.pa\u00adth",
    "write.data.\uff50ath",
    "write.data.path\u00a0",
    "comment\x00",
    "metadata_location",
    "manifest-list",
    "s3a.access.key",
    "my.access_key_id",
    "credential",
    "token",
    "team.api-token",
    "signer",
    "endpoint",
    "parquet.private.read.filter.predicate",
    "",
    "  ",
    "k" * 600,
]
ALLOWED = [
    "format-version",
    "comment",
    "owner",
    "write.format.default",
    "write.parquet.compression-codec",
    "write.parquet.bloom-filter-enabled.column.path_of_file",
    "write.object-storage.enabled",
    "write.object-storage.partitioned-paths",
    "write.metadata.delete-after-commit.enabled",
    "history.expire.max-snapshot-age-ms",
    "commit.retry.num-retries",
    "read.split.target-size",
    "gc.enabled",
    "schema.name-mapping.default",
    "engine.hive.enabled",
    "write.metadata.metrics.column.path",
    "write.parquet.bloom-filter-enabled.column.token",
    "team",
    "dbt.model",
    "tokens_per_row",
    "primary_key",
    "geschäftsbereich",
]


@pytest.mark.parametrize("key", FORBIDDEN)
def test_properties_that_no_caller_sets(key: str) -> None:
    problem = property_problem(key, "x")
    assert problem is not None
    assert problem[0].isupper()
    assert problem.endswith(".")


@pytest.mark.parametrize("key", ALLOWED)
def test_properties_of_tables(key: str) -> None:
    assert property_problem(key, "x") is None
    assert property_problem(key, "x" * 70_000) is not None


@pytest.mark.parametrize(
    "head",
    [
        "CREATE TABLE x (a INT) TBLPROPERTIES",
        "CREATE TABLE x USING iceberg TBLPROPERTIES",
        "CREATE VIEW x TBLPROPERTIES",
        "CREATE SCHEMA x WITH DBPROPERTIES",
        "CREATE SCHEMA x WITH PROPERTIES",
        "ALTER TABLE x SET TBLPROPERTIES",
        "ALTER VIEW x SET TBLPROPERTIES",
        "ALTER SCHEMA x SET DBPROPERTIES",
    ],
)
def test_statements_that_set_properties(head: str) -> None:
    tail = " AS SELECT 1 AS a" if ("VIEW x TBL" in head and head.startswith("CREATE")) or "USING" in head else ""
    for given in ("'a' = 'b'", "a.b = 'c', d true", "'n' = 1", "\"x y\" = '2'"):
        assert parse(f"{head} ({given}){tail}", NAMES)
    for given in (
        "'a' = 'b', 'write.data.path' = 's3://other/x'",
        "'Write.Data.Path' = 's3://other/x'",
        "write.data.path = 's3://other/x'",
        "write . metadata . path 's3://other/x'",
        "'write.location-provider.impl' = 'com.example.Provider'",
        "r'io-impl' = 'com.example.IO'",
        "'a' = 'b' 'c'",
        "'a' = reflect('b', 'c')",
        "'a'",
        "'a' = (SELECT 1)",
        "",
    ):
        with pytest.raises(SqlError):
            parse(f"{head} ({given}){tail}", NAMES)


@pytest.mark.parametrize(
    "text", ["UNSET TBLPROPERTIES ('a', b.c)", "UNSET TBLPROPERTIES IF EXISTS ('write.data.path')"]
)
def test_properties_can_be_removed(text: str) -> None:
    assert parse(f"ALTER TABLE x {text}", NAMES).command == "ALTER TABLE"


@pytest.mark.parametrize(
    "text",
    [
        "WRITE ORDERED BY id",
        "WRITE LOCALLY ORDERED BY id DESC NULLS LAST, bucket(4, name)",
        "WRITE ORDERED BY (days(ts), t.x ASC)",
        "WRITE DISTRIBUTED BY PARTITION LOCALLY ORDERED BY id",
        "WRITE DISTRIBUTED BY PARTITION",
        "WRITE UNORDERED",
        "ADD PARTITION FIELD bucket(16, id) AS shard",
        "ADD COLUMNS (x decimal(10, 2) COMMENT 'DEFAULT (1)', y struct<a: string, b: array<int>> FIRST)",
        "ALTER COLUMN id COMMENT 'SELECT 1'",
    ],
)
def test_alterations(text: str) -> None:
    assert parse(f"ALTER TABLE x {text}", NAMES).command == "ALTER TABLE"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x (a VARCHAR(10))",
        "CREATE TABLE x (id int, s struct<a: char(3)>)",
        "ALTER TABLE x ADD COLUMNS (y array<varchar(3)>)",
        "ALTER TABLE x ADD COLUMN y CHARACTER(3)",
    ],
)
def test_a_length_that_would_not_be_kept_is_refused(statement: str) -> None:
    with pytest.raises(SqlError, match=r"\(n\) cannot stand in .*: Iceberg keeps no length of a text; write STRING\."):
        parse(statement, NAMES)


def test_a_column_may_be_called_as_a_type() -> None:
    assert parse("CREATE TABLE x (`varchar` string, `char` int)", NAMES).command == "CREATE TABLE"


@pytest.mark.parametrize(
    "text",
    [
        "WRITE ORDERED BY reflect('a', 'b')",
        "WRITE ORDERED BY id + 1",
        "WRITE ORDERED BY bucket(4, reflect(id))",
        "WRITE ORDERED BY a.bucket(4, id)",
        "WRITE ORDERED BY id LOCATION 's3://x'",
        "WRITE LOCALLY UNORDERED",
        "ADD COLUMN x INT DEFAULT 1",
        "ADD COLUMN x INT DEFAULT (SELECT 1)",
        "ALTER COLUMN x SET DEFAULT 1",
        "ADD COLUMN x INT COMMENT reflect('a', 'b')",
        "ADD PARTITION FIELD reflect('a', 'b')",
        "ADD PARTITION FIELD a$b(id)",
        "ADD PARTITION FIELD 'reflect' (id)",
    ],
)
def test_alterations_that_hold_expressions(text: str) -> None:
    with pytest.raises(SqlError):
        parse(f"ALTER TABLE x {text}", NAMES)


@pytest.mark.parametrize(
    "columns",
    [
        "a INT DEFAULT 1",
        "a INT GENERATED ALWAYS AS (1)",
        "a INT CHECK (a > 1)",
        "a INT COMMENT concat('a', 'b')",
        "a INT COMMENT reflect('a', 'b')",
    ],
)
def test_columns_hold_no_expressions(columns: str) -> None:
    with pytest.raises(SqlError):
        parse(f"CREATE TABLE x ({columns})", NAMES)
