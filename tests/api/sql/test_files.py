"""Files in SQL statements: real object store, catalog and DuckDB; the operator is played."""

from __future__ import annotations

import gzip
import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from tests.api.conftest import SignIn
from tests.api.lakehouse import Lakehouse
from tests.object_store import s3_client

from .site import RunningGateway, run

pytestmark = pytest.mark.integration

TRIPS = b"id,zone,fare,at,day\n1,North,2.5,2026-01-01 10:00:00,2026-01-01\n2,South,,2026-01-02 11:30:00,2026-01-02\n"


@pytest_asyncio.fixture
async def volume(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The administrator, with a volume raw in the database sales."""
    assert (await client.post("/databases", json={"name": "sales"})).status_code in (201, 409)
    assert (await client.post("/databases/sales/volumes", json={"name": "raw"})).status_code == 201
    return client


async def upload(client: httpx.AsyncClient, path: str, content: bytes) -> dict[str, Any]:
    """Write a file to the volume, and return what the upload answers."""
    files = {"file": ("f", content)}
    answer = await client.post("/databases/sales/volumes/raw/files", data={"path": path}, files=files)
    assert answer.status_code == 201, answer.text
    uploaded: dict[str, Any] = answer.json()
    return uploaded


def parquet(**columns: Any) -> bytes:
    """Return a Parquet file."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


async def rows(client: httpx.AsyncClient, query: str, **body: Any) -> list[list[Any]]:
    """Run a read, and return its rows."""
    ran = await run(client, query, **body)
    assert ran["status"] == "succeeded", ran["error_message"]
    found: list[list[Any]] = ran["rows"]
    return found


async def test_a_csv_is_read_by_each_of_its_names(volume: httpx.AsyncClient, gateway: RunningGateway) -> None:
    uploaded = await upload(volume, "in/trips.csv", TRIPS)
    for path in (uploaded["sql_path"], uploaded["location"]):
        ran = await run(volume, f"SELECT * FROM read_csv('{path}') ORDER BY id")
        assert ran["rows"] == [
            [1, "North", 2.5, "2026-01-01T10:00:00Z", "2026-01-01"],
            [2, "South", None, "2026-01-02T11:30:00Z", "2026-01-02"],
        ]
        assert (ran["engine"], ran["lineage"]["read_files"]) == ("duckdb", [path])
    statement = (await volume.get(f"/sql/statements/{ran['statement_id']}")).json()
    types = {column["name"]: column["type"] for column in statement["result_schema"]}
    assert types == {"id": "bigint", "zone": "string", "fare": "double", "at": "timestamp", "day": "date"}


async def test_spark_sql_on_files_means_what_it_means_on_tables(
    orders: pa.Table, volume: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    await upload(volume, "trips.csv", TRIPS)
    query = """SELECT o.name, date_format(t.at, 'yyyy-MM') AS month, count(*)
        FROM read_csv('volumes/sales/raw/trips.csv') t JOIN sales.orders o ON o.id = t.id
        WHERE t.zone LIKE 'N%' GROUP BY ALL"""
    assert await rows(volume, query) == [["n1", "2026-01", 1]]


async def test_globs_folders_and_compressed_files_are_one_table(
    volume: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    await upload(volume, "in/2026/a.csv", b"id\n1\n")
    await upload(volume, "in/2026/b.csv.gz", gzip.compress(b"id\n2\n"))
    await upload(volume, "in/2027/c.csv", b"id\n3\n")
    await upload(volume, "in/_SUCCESS", b"")
    for pattern, expected in {
        "in/2026/*": [1, 2],
        "in/*/*.csv": [1, 3],
        "in/**/*.csv*": [1, 2, 3],
        "in": [1, 2, 3],
        "in/202[6-7]/?.csv": [1, 3],
    }.items():
        found = await rows(volume, f"SELECT id FROM read_csv('volumes/sales/raw/{pattern}') ORDER BY id")
        assert [row[0] for row in found] == expected, pattern


async def test_parquet_and_json_keep_their_types(volume: httpx.AsyncClient, gateway: RunningGateway) -> None:
    await upload(volume, "a.parquet", parquet(id=pa.array([1], pa.int32()), tags=[["x", "y"]]))
    await upload(volume, "a.json", b'{"id": 1, "at": "2026-01-01T10:00:00Z", "trip": {"n": [1, 2]}}\n')
    ran = await run(
        volume, "SELECT id, tags[0] AS tag, typeof(id) AS kind FROM read_parquet('volumes/sales/raw/a.parquet')"
    )
    assert ran["rows"] == [[1, "x", "int"]]
    assert await rows(volume, "SELECT id, at, trip.n[1] AS n FROM read_json('volumes/sales/raw/a.json')") == [
        [1, "2026-01-01T10:00:00Z", 2]
    ]


async def test_a_file_that_was_replaced_is_read_anew(volume: httpx.AsyncClient, gateway: RunningGateway) -> None:
    for number in (1, 2, 30):
        await upload(volume, "a.csv", f"id\n{number}\n".encode())
        await upload(volume, "a.parquet", parquet(id=[number]))
        await upload(volume, "a.json", f'{{"id": {number}}}\n'.encode())
        for function, name in (("read_csv", "a.csv"), ("read_parquet", "a.parquet"), ("read_json", "a.json")):
            assert await rows(volume, f"SELECT id FROM {function}('volumes/sales/raw/{name}')") == [[number]]


async def test_options_have_duckdbs_names_and_sparks(volume: httpx.AsyncClient, gateway: RunningGateway) -> None:
    await upload(volume, "odd.txt", b"x;31.12.2026;NA\ny;01.01.2027;7\n")
    options = "header => false, sep => ';', nullValue => 'NA', dateFormat => 'dd.MM.yyyy'"
    options += ", schema => 'k STRING, d DATE, n INT'"
    found = await rows(volume, f"SELECT k, d, n FROM read_csv('volumes/sales/raw/odd.txt', {options}) ORDER BY k")
    assert found == [["x", "2026-12-31", None], ["y", "2027-01-01", 7]]
    own = "header = false, delim = ';', nullstr = ['NA'], dateformat = '%d.%m.%Y'"
    own += ", columns = {'k': 'VARCHAR', 'd': 'DATE', 'n': 'INTEGER'}"
    query = f"SELECT k, d, n FROM read_csv(['volumes/sales/raw/odd.txt'], {own}) ORDER BY k"
    assert await rows(volume, query, dialect="duckdb") == found


async def test_a_path_may_be_a_parameter_and_is_held_to_the_same_rules(
    volume: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    await upload(volume, "a.csv", b"id\n1\n")
    query = "SELECT id FROM read_csv(?)"
    assert await rows(volume, query, params=["volumes/sales/raw/a.csv"]) == [[1]]
    for path in ("volumes/sales/raw/../../../results/a", "/etc/passwd", "https://example.org/a.csv"):
        refused = await volume.post("/sql/execute", json={"query": query, "warehouse_id": "main", "params": [path]})
        assert refused.status_code == 400, refused.text


async def test_nothing_else_of_the_bucket_is_read(
    volume: httpx.AsyncClient, gateway: RunningGateway, lakehouse: Lakehouse
) -> None:
    root = lakehouse.site.prefix
    async with s3_client(lakehouse.site.endpoint, lakehouse.site.access_key_id, lakehouse.site.secret_access_key) as s3:
        for key in ("mine/a.csv", "results/a.csv", "a.csv"):
            await s3.put_object(Bucket=lakehouse.site.bucket, Key=f"workspaces/{lakehouse.slug}/{key}", Body=b"id\n1\n")
    assert await rows(volume, f"SELECT id FROM read_csv('{root}/mine/a.csv')") == [[1]]
    assert await rows(volume, f"SELECT id FROM read_csv('{root}/*.csv')") == [[1]]
    for path, why in {
        f"{root}/results/a.csv": "holds no files for statements",
        f"{root}/tables/x.parquet": "read tables by their names",
        f"{root}/**": "named in full",
        f"{root}/*/a.csv": "named in full",
        f"s3://{lakehouse.site.bucket}/workspaces/other/a.csv": "is not below",
        f"s3://{lakehouse.site.bucket}/logs/{lakehouse.slug}/a": "is not below",
        "s3://elsewhere/a.csv": "is not below",
        "volumes/sales/raw/none.csv": "There is no file volumes/sales/raw/none.csv.",
        "volumes/sales/none/a.csv": "There is no volume none in database sales.",
    }.items():
        ran = await run(volume, f"SELECT * FROM read_csv('{path}')")
        assert ran["status"] == "failed", path
        assert why in ran["error_message"], ran


async def test_viewers_read_files(
    volume: httpx.AsyncClient, gateway: RunningGateway, sign_in: SignIn, lakehouse: Lakehouse
) -> None:
    await upload(volume, "a.csv", b"id\n1\n")
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert await rows(viewer, "SELECT id FROM read_csv('volumes/sales/raw/a.csv')") == [[1]]


async def test_a_row_that_cannot_be_read_is_named_with_file_and_line(
    volume: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    lines = [f"{number}" for number in range(30_000)]
    lines[25_000] = "many"
    await upload(volume, "bad.csv", "\n".join(["id", *lines]).encode())
    ran = await run(volume, "SELECT sum(id) FROM read_csv('volumes/sales/raw/bad.csv')")
    assert ran["status"] == "failed"
    reason = "column id: Could not convert string \"many\" to 'BIGINT'."
    assert ran["error_message"] == f"Line 25002 of volumes/sales/raw/bad.csv: {reason}"
    assert await rows(
        volume, "SELECT count(id) FROM read_csv('volumes/sales/raw/bad.csv', mode => 'DROPMALFORMED')"
    ) == [[29_999]]


async def test_rows_of_a_query_are_written_to_a_file_of_a_volume(
    orders: pa.Table, volume: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    query = "SELECT id, upper(name) AS name, sum(id) OVER () AS total FROM sales.orders WHERE id < 3 ORDER BY id"
    expected = [[0, "N0", 3], [1, "N1", 3], [2, "N2", 3]]
    for name, options in (
        ("out/a.csv", "(FORMAT csv, HEADER true, DELIMITER ';')"),
        ("out/a.parquet", ""),
        ("out/a.json.gz", ""),
        ("out/folder/", "(FORMAT parquet)"),
    ):
        ran = await run(volume, f"COPY ({query}) TO 'volumes/sales/raw/{name}' {options}")
        assert (ran["status"], ran["engine"]) == ("succeeded", "duckdb"), ran["error_message"]
        assert (ran["columns"], ran["rows"]) == (["num_affected_rows"], [[3]])
        assert ran["lineage"]["read"] != []
        kind = {"out/a.csv": "csv", "out/a.json.gz": "json"}.get(name, "parquet")
        found = await rows(volume, f"SELECT id, name, total FROM read_{kind}('volumes/sales/raw/{name}') ORDER BY id")
        assert found == expected, name
    listed = await volume.get("/databases/sales/volumes/raw/files", params={"path": "out"})
    assert [file["name"] for file in listed.json()["data"]] == ["a.csv", "a.json.gz", "a.parquet", "folder"]
    await run(volume, "COPY (SELECT 1 AS id) TO 'volumes/sales/raw/out/a.csv'")  # replaces it
    assert await rows(volume, "SELECT id FROM read_csv('volumes/sales/raw/out/a.csv')") == [[1]]


async def test_files_are_written_by_editors_and_into_the_workspace_alone(
    volume: httpx.AsyncClient, gateway: RunningGateway, sign_in: SignIn, lakehouse: Lakehouse
) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    query = "COPY (SELECT 1 AS id) TO 'volumes/sales/raw/a.csv'"
    refused = await viewer.post("/sql/execute", json={"query": query, "warehouse_id": "main"})
    assert (refused.status_code, refused.json()["error"]) == (403, "Your role viewer may only read; COPY TO writes.")
    root = lakehouse.site.prefix
    for path in (
        f"{root}/results/a.csv",
        f"{root}/tables/a.parquet",
        "s3://elsewhere/a.csv",
        "volumes/sales/none/a.csv",
    ):
        ran = await run(volume, f"COPY (SELECT 1 AS id) TO '{path}'")
        assert (ran["status"], ran["rows"]) == ("failed", []), path
    ran = await run(volume, f"COPY (SELECT 1 AS id) TO '{root}/mine/a.csv'")
    assert ran["status"] == "succeeded", ran["error_message"]


async def test_a_text_that_is_no_time_is_no_null(volume: httpx.AsyncClient, gateway: RunningGateway) -> None:
    await upload(volume, "times.csv", b"id,t\n1,2026-11-30T07:00:00Z\n2,2026-11-30T07:00:00+02:00\n3,yesterday\n")
    read = "read_csv('volumes/sales/raw/times.csv', schema => 'id INT, t TIMESTAMP'"
    ran = await run(volume, f"SELECT id, t FROM {read})")
    assert (ran["status"], "yesterday" in str(ran["error_message"])) == ("failed", True), ran["error_message"]
    ran = await run(volume, f"SELECT id, hour(t) FROM {read}, mode => 'DROPMALFORMED')")
    assert ran["rows"] == [[1, 7], [2, 5]]
    # The first rows decide that it is a time; what comes later is not.
    lines = b"".join(b"%d,2026-11-30T07:00:00Z\n" % number for number in range(21_000))
    await upload(volume, "later.csv", b"id,t\n" + lines + b"0,yesterday\n")
    ran = await run(volume, "SELECT count(t) FROM read_csv('volumes/sales/raw/later.csv')")
    assert (ran["status"], "yesterday" in str(ran["error_message"])) == ("failed", True), ran["error_message"]
