"""What no statement may do: each attempt is refused before any engine sees it, with one clear sentence."""

from __future__ import annotations

from typing import Any

import pytest

import icefield_sql as sql
from icefield_sql import Names, SqlError, parse

NAMES = Names("acme", frozenset({"polnor", "oleander"}), ("demo",))

SPARK = [
    "SELECT reflect('java.lang.System', 'getenv', 'AWS_SECRET_ACCESS_KEY')",
    "SELECT java_method('java.lang.Runtime', 'getRuntime')",
    "SELECT try_reflect('java.lang.System', 'getenv')",
    "SELECT `reflect`('java.lang.System', 'getenv')",
    "SELECT \"reflect\"('java.lang.System', 'getenv')",
    "SELECT RE/**/FLECT('java.lang.System')",
    "SELECT system.builtin.reflect('a', 'b')",
    "SELECT builtin.upper('a')",
    "SELECT * FROM orders WHERE id = (SELECT max(reflect('a', 'b')) FROM orders)",
    "INSERT INTO orders SELECT reflect('a', 'b')",
    "INSERT INTO orders VALUES (1), (reflect('a', 'b'))",
    "MERGE INTO orders t USING orders s ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = reflect('a', 'b')",
    "UPDATE orders SET id = reflect('a', 'b')",
    "DELETE FROM orders WHERE id = reflect('a', 'b')",
    "CREATE VIEW v AS SELECT reflect('a', 'b')",
    "SELECT transform(array(1), x -> reflect('a', 'b'))",
    "SELECT sum(1) OVER (ORDER BY reflect('a', 'b'))",
    "SELECT * FROM orders LATERAL VIEW reflect('a') t AS x",
    "SELECT * FROM orders ORDER BY reflect('a', 'b')",
    "SELECT 1 LIMIT reflect('a', 'b')",
    "SELECT input_file_name()",
    "SELECT current_user()",
    "SELECT current_user",
    "SELECT session_user()",
    "SELECT user()",
    "SELECT current_catalog()",
    "SELECT version()",
    "SELECT from_avro(x, '{}') FROM orders",
    "SELECT xpath('<a/>', 'a')",
    "SELECT from_xml('<a/>', 'a INT')",
    "SELECT unknown_function(1)",
    "SELECT ai_query('x')",
    "SELECT http_get('http://169.254.169.254/')",
    "SELECT * FROM parquet.`s3://bucket/workspaces/other/x`",
    "SELECT * FROM csv.`/etc/passwd`",
    "SELECT * FROM text.`file:///proc/self/environ`",
    "SELECT * FROM `parquet`.`/tmp/x`",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_files('/etc')",
    "SELECT * FROM sql_keywords()",
    "SELECT * FROM IDENTIFIER('parquet.x')",
    "SELECT IDENTIFIER('reflect')('a', 'b')",
    "SELECT TRANSFORM(id) USING 'cat /etc/passwd' AS (x) FROM orders",
    "FROM orders SELECT TRANSFORM(id) USING 'sh'",
    "SELECT * FROM a.b.c.d",
    "SELECT * FROM other.x.y.z",
    "SET spark.sql.ansi.enabled = false",
    "SET",
    "RESET",
    "ADD JAR 's3://x/evil.jar'",
    "ADD FILE '/etc/passwd'",
    "LIST JARS",
    "CREATE FUNCTION f AS 'com.evil.F' USING JAR 's3://x/y.jar'",
    "CREATE TEMPORARY FUNCTION f(x INT) RETURNS INT RETURN x",
    "CREATE TEMPORARY VIEW v USING csv OPTIONS (path '/etc/passwd')",
    "CREATE TABLE x USING parquet AS SELECT 1 AS a",
    "CREATE TABLE x (a INT) USING csv",
    "CREATE TABLE x (a INT) LOCATION 's3://bucket/workspaces/other'",
    "CREATE TABLE x (a INT) USING iceberg LOCATION 's3://other/x'",
    "CREATE TABLE x (a INT) TBLPROPERTIES ('write.data.path' = 's3://other/x')",
    "CREATE TABLE x (a INT) TBLPROPERTIES ('write' '.metadata.path' = 's3://other/x')",
    "CREATE TABLE x (a INT) TBLPROPERTIES (write.data.path = 's3://other/x')",
    "CREATE TABLE x (a INT) OPTIONS (path 's3://other')",
    "CREATE TABLE x (a INT DEFAULT reflect('a', 'b'))",
    "CREATE TABLE x LIKE orders",
    "CREATE EXTERNAL TABLE x (a INT) STORED AS PARQUET",
    "CREATE TABLE x (a INT) STORED BY 'org.x'",
    "CREATE SCHEMA s LOCATION 's3://other'",
    "ALTER TABLE orders SET TBLPROPERTIES ('write.metadata.path' = 's3://other')",
    "ALTER TABLE orders SET LOCATION 's3://other'",
    "ALTER TABLE orders ALTER COLUMN id SET DEFAULT reflect('a', 'b')",
    "ALTER TABLE orders ADD PARTITION (x = 1) LOCATION 's3://other'",
    "ALTER SCHEMA demo SET LOCATION 's3://other'",
    "INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT 1",
    "INSERT OVERWRITE LOCAL DIRECTORY '/tmp/x' SELECT 1",
    "LOAD DATA LOCAL INPATH '/etc/passwd' INTO TABLE orders",
    "EXPORT TABLE orders TO 's3://x'",
    "CACHE TABLE orders",
    "REFRESH TABLE orders",
    "USE other",
    "DROP FUNCTION f",
    "CALL system.add_files(table => 'demo.orders', source_table => '`parquet`.`s3://x`')",
    "CALL system.register_table('demo.x', 's3://other/metadata.json')",
    "CALL system.migrate('demo.x')",
    "CALL system.remove_orphan_files(table => 'demo.orders', location => 's3://other')",
    "CALL system.rewrite_data_files(table => 'demo.orders', where => 'reflect(1, 2)')",
    "CALL system.expire_snapshots(reflect('a', 'b'))",
    "CALL other.system.expire_snapshots('demo.orders')",
    "CALL system.expire_snapshots('other.demo.raw.orders.x')",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "DECLARE x INT",
    "BEGIN SELECT 1; END",
    "SELECT 1; DROP TABLE orders",
    "SELECT 1 |> SELECT reflect('a', 'b')",
    "EXPLAIN SELECT reflect('a', 'b')",
    "EXPLAIN ANALYZE SELECT 1",
    "SHOW FUNCTION",
    "SHOW FUNCTIONS LIKE upper lower",
    "SHOW CONF",
    "DESCRIBE FUNCTION reflect",
    "GRANT ALL ON orders TO x",
    "ANALYZE TABLE orders COMPUTE STATISTICS",
    "PRAGMA database_list",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "COPY orders TO 's3://x'",
    "CREATE SECRET s (TYPE s3)",
    "SELECT * FROM read_parquet('s3://x')",
    "SELECT * FROM duckdb_secrets()",
    "WITH x AS (DELETE FROM orders) SELECT * FROM x",
    "WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x",
    "SELECT ?",
    "SELECT :x",
    "",
    "  ;; ",
    "-- only a comment",
    "SELECT 'never closed",
    "SELECT (((",
    "SELECT * FROM",
    "SELEC 1",
    "(" * 500 + "SELECT 1" + ")" * 500,
]

DUCKDB = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_parquet('gs://bucket/other/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    'SELECT * FROM "file.csv"',
    "SELECT * FROM iceberg_scan('s3://x')",
    "SELECT * FROM parquet_scan('x')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('x')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('x')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('s3_secret_access_key')",
    "SELECT getvariable('x')",
    "SELECT version()",
    "SELECT write_log('x')",
    "SELECT main.getenv('HOME')",
    "SELECT \"getenv\"('HOME')",
    "SELECT x.getenv() FROM (SELECT 'HOME' AS x)",
    "SELECT * FROM (SELECT * FROM read_blob('/etc/passwd'))",
    "WITH x AS (SELECT * FROM read_csv('y')) SELECT 1",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "COPY (SELECT 1) TO '/tmp/x'",
    "COPY orders FROM '/etc/passwd'",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA version",
    "SET memory_limit = '1GB'",
    "RESET memory_limit",
    "CREATE TABLE x AS SELECT 1",
    "CREATE SECRET s (TYPE s3)",
    "CREATE MACRO m() AS 1",
    "DROP TABLE orders",
    "INSERT INTO orders VALUES (1)",
    "UPDATE orders SET id = 1",
    "DELETE FROM orders",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "USE memory",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "EXPLAIN ANALYZE SELECT 1",
    "SUMMARIZE orders",
    "DESCRIBE orders",
    "SELECT 1; SELECT 2",
    "SELECT $1",
]


@pytest.mark.parametrize("text", SPARK)
def test_our_sql(text: str) -> None:
    _refused(text, "icefield")


@pytest.mark.parametrize("text", DUCKDB)
def test_duckdb(text: str) -> None:
    _refused(text, "duckdb")


def _refused(text: str, dialect: str) -> None:
    with pytest.raises(SqlError) as refusal:
        parse(text, NAMES, dialect=dialect)
    sentence = refusal.value.sentence
    assert "\n" not in sentence
    assert sentence[0].isupper()
    assert sentence.endswith((".", "?"))
    assert len(sentence) < 600


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("SELECT '\ud800' AS x", None),
        ("SELECT 1 AS `\udfff`", None),
        ('SELECT 1 AS "a\ud83d"', None),
        ("SELECT 1 AS x -- \udc00", None),
        ("SELECT ? AS x", ["\ud800"]),
        ("SELECT ? AS x", [["a", ["\udead"]]]),
        ("SELECT :a AS x", {"a": "\ud800"}),
        (f"INSERT INTO t VALUES {', '.join(['(1)'] * 1000)}, ('\ud800')", None),
    ],
)
def test_half_of_a_character_is_no_text(text: str, params: Any, dialect: str) -> None:
    with pytest.raises(SqlError, match=r"^The statement has half of a character, \\ud[8-f]..,"):
        sql.parse(text, NAMES, dialect=dialect, params=params)


def test_half_of_a_character_is_in_no_name() -> None:
    with pytest.raises(SqlError, match="has a character that names of tables cannot have"):
        sql.parse_schema("sales\ud800", NAMES)


def test_whole_characters_are_text() -> None:
    assert "😀" in sql.parse("SELECT '😀' AS x, ? AS y", NAMES, params=["\U0010ffff"]).source.text
