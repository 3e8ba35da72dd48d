"""Distributed workloads: what the client of Polars Cloud sends, with a cluster that computes on this machine."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from icefield_cluster.paths import CHECKOUT
from icefield_crds import object_store as keys
from tests import locked_environment
from tests.catalog import BUCKET, RunningCatalog
from tests.object_store import REGION

pytestmark = pytest.mark.integration

SLUG = "distributed"
PROGRAM = "tests.integration.engines.polars_cloud.program"
RESULT = keys.run_result_key(SLUG, "run-1")
PATHS = {"PYTHONPATH": ":".join(map(str, (CHECKOUT, CHECKOUT / "engines", CHECKOUT / "crds")))}
FLOWERS = pa.table({"species": ["a", "b", "b", "c", "c", "c"], "petal": [1.0, 2.0, 4.0, 1.0, 1.0, 4.0]})

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def catalog(embedded_catalog: RunningCatalog) -> Iterator[Catalog]:
    """A workspace's catalog with one table."""
    embedded_catalog.ensure(SLUG)
    opened = load_catalog(SLUG, **embedded_catalog.pyiceberg(SLUG))
    opened.create_namespace("garden")
    opened.create_table("garden.flowers", FLOWERS.schema).append(FLOWERS)
    yield opened


@pytest.fixture(scope="module")
def run(catalog: Catalog, embedded_catalog: RunningCatalog) -> Run:
    """Runs a workload in the environment of Polars Cloud's client, and returns what came of it."""
    python = locked_environment.ensure("polars-cloud") / "bin" / "python"
    store = embedded_catalog.store
    access = {
        "catalog_uri": embedded_catalog.uri,
        "warehouse": SLUG,
        "token": embedded_catalog.token_of(SLUG),
        "object_store": {
            "endpoint": store.url,
            "region": REGION,
            "bucket": BUCKET,
            "access_key_id": store.access_key_id,
            "secret_access_key": store.secret_access_key,
        },
    }

    def call(
        mode: str,
        text: str,
        *,
        cluster: bool = True,
        forever: bool = False,
        end_when: str = "",
        env: dict[str, str] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        tables = [{"alias": "flowers", "table": "garden.flowers"}]
        common = {
            "id": str(uuid.uuid4()),
            "names": [SLUG],
            "timeout_seconds": 300,
            "distributed": True,
            "result_key": RESULT,
        }
        workload = {**common, "mode": mode, mode: text, "access": access, "tables": tables, **fields}
        pipe = subprocess.PIPE
        env = {**PATHS, **(env or {})}
        with subprocess.Popen(
            [python, "-m", PROGRAM], stdin=pipe, stdout=pipe, stderr=pipe, env=env, text=True
        ) as process:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps({"workload": workload, "cluster": cluster, "forever": forever}))
            process.stdin.close()
            process.stdin = None
            if end_when:
                assert f"{end_when}\n" in iter(process.stdout.readline, "")
                process.terminate()
            answer, problems = process.communicate(timeout=120)
        assert process.returncode == 0, problems
        printed: dict[str, Any] = json.loads(answer.splitlines()[-1])
        return printed

    return call


@pytest.fixture
def bucket(embedded_catalog: RunningCatalog) -> Any:
    """The platform's bucket."""
    store = embedded_catalog.store
    return boto3.resource(
        "s3",
        endpoint_url=store.url,
        region_name=REGION,
        aws_access_key_id=store.access_key_id,
        aws_secret_access_key=store.secret_access_key,
    ).Bucket(BUCKET)


def _rows(bucket: Any) -> list[tuple[Any, ...]]:
    stream = bucket.Object(RESULT).get()["Body"].read()
    return [tuple(row.values()) for row in pa.ipc.open_stream(stream).read_all().to_pylist()]


def test_rows_come_back_in_order_and_nothing_else_is_left(run: Run, bucket: Any) -> None:
    printed = run(
        "query",
        "SELECT species, SUM(petal) AS petals, COUNT(*) AS n FROM flowers GROUP BY species ORDER BY petals DESC, n",
    )
    assert (printed["row_count"], printed["result"]["key"]) == (3, RESULT)
    assert _rows(bucket) == [("b", 6.0, 2), ("c", 6.0, 3), ("a", 1.0, 1)]
    assert (printed["stopped"], printed["cancelled"]) == (True, False)
    left = {entry.key for entry in bucket.objects.filter(Prefix=RESULT.rpartition("/")[0])}
    assert {key for key in left if not key.endswith("/")} == {RESULT}  # PyArrow marks folders


def test_a_result_without_rows_has_its_columns(run: Run, bucket: Any) -> None:
    assert run("query", "SELECT * FROM flowers WHERE petal > 100")["row_count"] == 0
    stream = bucket.Object(RESULT).get()["Body"].read()
    assert pa.ipc.open_stream(stream).schema.names == ["species", "petal"]


def test_a_script_is_planned_here_and_computed_there(run: Run, bucket: Any) -> None:
    script = "result = scan('garden.flowers').filter(pl.col('petal') > params['above']).select(pl.len().alias('n'))"
    run("script", script, params={"above": 1.5})
    assert _rows(bucket) == [(3,)]


def test_what_the_cluster_wrote_becomes_the_tables_in_one_commit(run: Run, catalog: Catalog) -> None:
    query = "SELECT species, SUM(petal) AS petals FROM flowers GROUP BY species"
    printed = run("query", query, destination="garden.summary")
    assert (printed["saved"], printed["stopped"]) == ({"rows_written": 3}, True)
    assert "result" not in printed
    run("query", query, destination="garden.summary", save_mode="append")
    table = catalog.load_table("garden.summary")
    assert table.scan().to_arrow().num_rows == 6
    assert len(table.metadata.snapshots) == 2
    printed = run("query", "SELECT species FROM flowers WHERE petal = 2", destination="garden.summary")
    assert "error" not in printed, printed
    assert catalog.load_table("garden.summary").scan().to_arrow().to_pylist() == [{"species": "b"}]


def test_an_error_of_the_cluster_is_the_workloads(run: Run) -> None:
    printed = run("query", "SELECT CAST(species AS INTEGER) AS n FROM flowers")
    assert printed["kind"] == "query"
    assert printed["error"].startswith("InvalidOperationError: conversion from `str` to `i32` failed")
    assert printed["stopped"]


def test_a_failed_write_makes_no_table(run: Run, catalog: Catalog) -> None:
    printed = run("query", "SELECT CAST(species AS INTEGER) AS n FROM flowers", destination="garden.never")
    assert printed["error"].startswith("InvalidOperationError")
    assert not catalog.table_exists("garden.never")


def test_a_query_without_end_is_cancelled_there(run: Run) -> None:
    printed = run("query", "SELECT * FROM flowers", forever=True, timeout_seconds=11)
    assert (printed["kind"], printed["error"]) == ("time", "the workload took longer than its timeout of 11 s")
    assert printed["cancelled"]
    assert printed["stopped"]


def test_the_end_of_the_process_is_the_end_of_the_query(run: Run) -> None:
    printed = run("query", "SELECT * FROM flowers", forever=True, end_when="awaited")
    assert printed["error"] == "SystemExit: the workload was cancelled"
    assert printed["cancelled"]
    assert printed["stopped"]


def test_the_end_of_the_process_while_it_hands_the_query_over_is_the_end_of_its_cluster(run: Run) -> None:
    printed = run("query", "SELECT * FROM flowers", forever=True, end_when="started")
    assert printed["error"] == "SystemExit: the workload was cancelled"
    assert printed["stopped"]


@pytest.mark.parametrize("env", [{}, {"POLARS_CLOUD_WORKSPACE": "x", "POLARS_CLOUD_CLIENT_ID": "x"}])
def test_without_credentials_it_says_what_to_set(run: Run, env: dict[str, str]) -> None:
    printed = run("query", "SELECT * FROM flowers", cluster=False, env=env)
    assert printed["kind"] == "credentials"
    for what in ("icefield-polars-cloud", "accessToken", "clientId", "clientSecret"):
        assert what in printed["error"]


def test_refused_credentials_are_told_as_such(run: Run, tmp_path: Path) -> None:
    """The client reads the token by itself, so this needs no network."""
    env = {"POLARS_CLOUD_ACCESS_TOKEN": "no token", "POLARS_CLOUD_WORKSPACE": "x", "HOME": str(tmp_path)}
    printed = run("query", "SELECT * FROM flowers", cluster=False, env=env)
    assert printed["kind"] == "credentials"
    assert "refuses what Secret icefield-polars-cloud" in printed["error"]
    assert "Log in" not in printed["error"]
