"""Files of the workspace in scripts: Polars' own readers and sinks, without options, by the address of the file."""

from __future__ import annotations

import gzip
import uuid
from typing import Any

import boto3
import pytest

from icefield_crds import object_store
from tests.catalog import Site

from .sandbox import Sandbox

pytestmark = pytest.mark.integration

CSV = b"station,rides\nCentral,12\nHarbour,7\n"


@pytest.fixture
def folder(sandbox: Sandbox) -> str:
    """URL of a folder of a volume with rides.csv, rides.csv.gz and rides.ndjson."""
    site = sandbox.site
    key = f"{object_store.volume_prefix(site.slug, 'city', 'inbox')}/{uuid.uuid4()}"
    client = _client(site)
    client.put_object(Bucket=site.bucket, Key=f"{key}/rides.csv", Body=CSV)
    client.put_object(Bucket=site.bucket, Key=f"{key}/rides.csv.gz", Body=gzip.compress(CSV))
    client.put_object(Bucket=site.bucket, Key=f"{key}/rides.ndjson", Body=b'{"station": "Central", "rides": 12}\n')
    return f"s3://{site.bucket}/{key}"


@pytest.mark.parametrize(
    ("reader", "rows"),
    [
        ("pl.scan_csv('{folder}/rides.csv')", 2),
        ("pl.scan_csv('{folder}/*.csv')", 2),
        ("pl.scan_csv('{folder}/rides.csv.gz')", 2),
        ("pl.read_csv('{folder}/rides.csv')", 2),
        ("pl.scan_ndjson('{folder}/rides.ndjson')", 1),
    ],
)
def test_readers(sandbox: Sandbox, folder: str, reader: str, rows: int) -> None:
    outcome = sandbox.run(script=f"result = {reader.format(folder=folder)}.select('station', 'rides')")
    assert sandbox.rows(outcome).column("rides").to_pylist() == [12, 7][:rows]


@pytest.mark.parametrize("kind", ["parquet", "csv", "ipc", "ndjson"])
def test_what_a_sink_wrote_can_be_read(sandbox: Sandbox, folder: str, kind: str) -> None:
    script = f"""
pl.scan_csv('{folder}/rides.csv').sink_{kind}('{folder}/out/rides.{kind}')
result = pl.scan_{kind}('{folder}/out/rides.{kind}').select(pl.col('rides').sum())
"""
    outcome = sandbox.run(script=script)
    assert sandbox.rows(outcome).column("rides").to_pylist() == [19]


def test_the_address_comes_from_the_environment_as_in_tasks(sandbox: Sandbox, folder: str) -> None:
    script = f"""
import os
prefix = f"s3://{{os.environ['ICEFIELD_BUCKET']}}/{{os.environ['ICEFIELD_PREFIX']}}"
result = pl.scan_csv(f"{{prefix}}/{folder.split("/", 5)[5]}/rides.csv")
"""
    outcome = sandbox.run(script=script)
    assert outcome["row_count"] == 2, outcome["error"]


def _client(site: Site) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=site.endpoint,
        region_name="us-east-1",
        aws_access_key_id=site.access_key_id,
        aws_secret_access_key=site.secret_access_key,
    )
