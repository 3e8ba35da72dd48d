"""Raw SQL that nothing looked at before, against the lock on DuckDB."""

from __future__ import annotations

import pytest
from pyiceberg.catalog import Catalog

from icefield_crds import object_store

from .pod import TOKEN, Pod

pytestmark = pytest.mark.integration

ATTEMPTS = [
    # files of the pod
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_csv('/etc/hosts', auto_detect = true)",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_json('/proc/1/status')",
    "SELECT * FROM read_parquet('file:///etc/passwd')",
    "SELECT (SELECT content FROM read_text('/proc/self/environ'))",
    "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM iceberg_scan('/etc')",
    "SELECT * FROM iceberg_metadata('/etc')",
    # other hosts
    "SELECT * FROM read_text('http://169.254.169.254/latest/meta-data')",
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "SELECT * FROM 'hf://datasets/x/y.parquet'",
    # what is not the workspace's in the store
    "SELECT * FROM read_text('s3://{bucket}/workspaces/other/secret.txt')",
    "SELECT * FROM read_text('s3://{bucket}/workspaces/{slug}/../other/secret.txt')",
    "SELECT * FROM glob('s3://{bucket}/logs/*')",
    "SELECT * FROM read_text('s3://another-bucket/x')",
    # extensions, databases, settings
    "LOAD httpfs",
    "INSTALL spatial",
    "INSTALL spatial FROM community",
    "FORCE INSTALL spatial FROM 'http://example.com'",
    "ATTACH '/tmp/x.db' AS x",
    "ATTACH ':memory:' AS x",
    "ATTACH 'http://example.com' AS x (TYPE iceberg)",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET allowed_directories",
    "SET allowed_directories = ['/']",
    "SET GLOBAL threads = 1",
    "SET memory_limit = '100GB'",
    "SET temp_directory = '/'",
    "PRAGMA memory_limit = '100GB'",
    "PRAGMA database_list",
    "CALL pragma_version()",
    # secrets
    "CREATE SECRET mine (TYPE s3, ENDPOINT 'example.com')",
    "CREATE OR REPLACE PERSISTENT SECRET mine (TYPE s3)",
    "DROP SECRET workspace",
    "FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://{bucket}/x', 's3')",
    "FROM duckdb_settings()",
    "SELECT getenv('AWS_SECRET_ACCESS_KEY')",
    "SELECT current_setting('temp_directory')",
    # writes
    "CREATE TABLE t (i INT)",
    "CREATE MACRO m() AS 1",
    "CREATE TEMP VIEW v AS SELECT 1",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO 's3://{bucket}/workspaces/{slug}/x.parquet'",
    "EXPORT DATABASE '/tmp/x'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'",
    "EXPLAIN CREATE TABLE t (i INT)",
    "PREPARE p AS SELECT 1",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '/tmp/x.csv'",
    # what the process itself holds
    "SELECT * FROM self",
    "SELECT * FROM statement",
    "SELECT * FROM python_map_function()",
    # raw files of the workspace, which go around lineage, and what others spilled
    "SELECT * FROM read_text('s3://{bucket}/workspaces/{slug}/results/*')",
    "SELECT * FROM 's3://{bucket}/workspaces/{slug}/tables/x.parquet'",
    "SELECT * FROM glob('s3://{bucket}/workspaces/{slug}/**')",
    "SELECT * FROM read_blob('{spill}/duckdb/*')",
    "SELECT query FROM duckdb_logs()",
    "SELECT * FROM query('SELECT * FROM duckdb_settings()')",
    "SELECT * FROM query_table('duckdb_settings')",
    "SHOW TABLES",
    "SUMMARIZE SELECT 1",
    "DESCRIBE SELECT 1",
]


@pytest.fixture(scope="module")
def guarded(duckdb_pod: Pod) -> Pod:
    """The pod, with something of another workspace in the same bucket."""
    key = f"{object_store.workspace_prefix('other')}/secret.txt"
    duckdb_pod.store.put_object(Bucket=duckdb_pod.site.bucket, Key=key, Body=b"of others")
    return duckdb_pod


@pytest.mark.parametrize("sql", ATTEMPTS)
def test_it_is_refused(guarded: Pod, sql: str) -> None:
    site, spill = guarded.site, guarded.gateway.environment["ICEFIELD_SPILL_DIRECTORY"]
    error = guarded.error(sql.format(bucket=site.bucket, slug=site.slug, spill=spill))
    for secret in (site.access_key_id, site.secret_access_key, TOKEN):
        assert secret not in error["message"]


def test_the_lock_holds_without_the_look_at_the_sql(guarded: Pod) -> None:
    """What an allowed function is asked for is up to the settings alone."""
    for place in (
        "/etc",
        "s3://another-bucket/x",
        f"s3://{guarded.site.bucket}/workspaces/other",
        "http://example.com/x",
    ):
        assert guarded.error(f"SELECT * FROM iceberg_scan('{place}')")["code"] == "PERMISSION_ERROR"


def test_what_reads_need_is_allowed(guarded: Pod, catalog: Catalog) -> None:
    for sql, expected in (
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT sum(n) AS x FROM r", 6),
        ("SELECT x FROM (VALUES (7)) v(x)", 7),
        ("SELECT count(*) AS x FROM unnest([1, 2]) u(y), generate_series(1, 3) g(z)", 6),
        ("SELECT len(string_split('a b', ' ')) AS x", 2),
    ):
        assert guarded.rows(sql).column("x").to_pylist() == [expected]
    assert guarded.rows("EXPLAIN SELECT 1").num_rows > 0


def test_secrets_are_in_no_message_and_no_log(guarded: Pod) -> None:
    guarded.error(f"SELECT error('{guarded.site.secret_access_key} {TOKEN}')")
    state = guarded.run(f"SELECT error('the key is {guarded.site.secret_access_key}')")
    assert "***" in state["error"]["message"]
    assert guarded.site.secret_access_key not in guarded.gateway.log
    assert TOKEN not in guarded.gateway.log
