"""How fast five million rows leave as Arrow, against a plain GET of the same bytes from the object store.

Both are read over one connection each, by the same client, in turns:
`eval "$(icefield env)"; python -m benchmarks.arrow_throughput`.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from statistics import median

import httpx
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.sql_under_test import WORKSPACE, SqlPlatform, store_of
from icefield_crds.object_store import result_key

ROWS = 5_000_000
BAR = 0.7


def megabytes_per_second(read: Callable[[], int]) -> float:
    """Return the throughput of a function that reads something and returns how many bytes it was."""
    started = time.perf_counter()
    size = read()
    return size / 1e6 / (time.perf_counter() - started)


def read_all(client: httpx.Client, url: str) -> int:
    """Read an answer to its end without keeping it, and return its size in bytes."""
    with client.stream("GET", url) as answer:
        answer.raise_for_status()
        return sum(len(piece) for piece in answer.iter_raw())


def read_redirected(rest: httpx.Client, store: httpx.Client, path: str) -> int:
    """Read what the API points at, the question included, and return its size in bytes."""
    answer = rest.get(path, params={"redirect": "true"})
    assert answer.status_code == 307, answer.text
    return read_all(store, answer.headers["location"])


def prepare(platform: SqlPlatform) -> tuple[str, str]:
    """Make the result; return the path of its Arrow stream and a presigned URL of its object."""
    database = platform.create_database()
    platform.wait(
        platform.submit(
            f"""CREATE TABLE {database}.large AS
                SELECT id, id * 1.5D AS price, concat('customer-', id % 1000) AS customer, id % 7 = 0 AS paid,
                       DATE '2024-01-01' + CAST(id % 365 AS INT) AS day
                FROM range({ROWS})"""
        )
    )
    statement_id = platform.submit(f"SELECT * FROM {database}.large")
    assert platform.wait(statement_id)["rows_produced"] == ROWS
    store = store_of(database, "large")
    bucket = platform.metadata_location(database, "large").removeprefix("s3://").partition("/")[0]
    place = {"Bucket": bucket, "Key": result_key(WORKSPACE, statement_id)}
    url: str = store.client().generate_presigned_url("get_object", Params=place, ExpiresIn=3600)
    return f"/sql/statements/{statement_id}/arrow", url


def assert_equal(platform: SqlPlatform, path: str, store: httpx.Client, url: str) -> None:
    """Check that both are the same stream of all the rows."""
    ours = platform.rest.get(path).raise_for_status().content
    assert ours == store.get(url).raise_for_status().content
    assert sum(batch.num_rows for batch in pa.ipc.open_stream(io.BytesIO(ours))) == ROWS


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    platform = SqlPlatform()
    platform.warm_up()
    path, url = prepare(platform)
    store = httpx.Client(timeout=120)
    assert_equal(platform, path, store, url)
    passed_on: list[float] = []
    redirected: list[float] = []
    plain: list[float] = []
    for _ in range(rounds):
        passed_on.append(megabytes_per_second(lambda: read_all(platform.rest, path)))
        redirected.append(megabytes_per_second(lambda: read_redirected(platform.rest, store, path)))
        plain.append(megabytes_per_second(lambda: read_all(store, url)))
    table = Table(title=f"{ROWS:,} rows as Arrow, MB/s (medians of {rounds})")
    for column in ("measure", "API", "GET of the object", "ratio", "bar"):
        table.add_column(column)
    floor = median(plain)
    for name, measured in (("…/arrow?redirect=true", redirected), ("…/arrow, passed on over TLS", passed_on)):
        ours = median(measured)
        table.add_row(name, f"{ours:.0f}", f"{floor:.0f}", f"{ours / floor:.2f}", f">= {BAR}")
    Console().print(table)


if __name__ == "__main__":
    main()
