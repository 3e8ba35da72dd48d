"""The published `oleanderhq-sdk`, unmodified: Spark applications, of a query and of a program that was uploaded."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from oleander_sdk import Oleander, OleanderHttpError
from oleander_sdk.models import (
    ListSparkJobsOptions,
    SparkJobSubmitOptions,
    SparkMachineType,
    SparkSqlSubmitOptions,
    SparkWriteMode,
    SubmitSparkJobAndWaitOptions,
    SubmitSparkSqlAndWaitOptions,
)
from tests.statements import create_database
from tests.workloads import Workloads

pytestmark = pytest.mark.conformance

POLL_MILLISECONDS, TIMEOUT_MILLISECONDS = 500, 300_000
END_SECONDS = 300
SMALL: dict[str, Any] = {
    "driver_machine_type": SparkMachineType.SPARK_1_C,
    "executor_machine_type": SparkMachineType.SPARK_1_C,
    "executor_numbers": 1,
}
WAITS = {"poll_interval_ms": POLL_MILLISECONDS, "timeout_ms": TIMEOUT_MILLISECONDS}
PROGRAM = """
import sys

from pyspark.sql import SparkSession

source, target, least = sys.argv[1], sys.argv[2], int(sys.argv[3])
spark = SparkSession.builder.getOrCreate()
print("partitions:", spark.conf.get("spark.sql.shuffle.partitions"))
if least < 0:
    raise ValueError("no orders below zero")
spark.table(source).where(f"id >= {least}").writeTo(target).createOrReplace()
"""


@pytest.fixture(scope="module")
def place(workloads: Workloads) -> str:
    """A database with a table `orders` of a hundred rows."""
    name = create_database(workloads.rest, f"spark_{secrets.token_hex(3)}")
    workloads.write(f"{name}.orders", "result = pl.select(id=pl.int_range(100, dtype=pl.Int64))")
    return name


@pytest.fixture(scope="module")
def program(workloads: Workloads) -> Iterator[str]:
    """The name of a program that was uploaded."""
    name = f"orders-{secrets.token_hex(3)}"
    address = f"{workloads.platform.api_url}/api/v2/spark/artifacts"
    files = {"file": ("orders.py", PROGRAM.encode(), "text/x-python")}
    answer = workloads.rest.post(address, data={"name": name}, files=files)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    yield name
    workloads.rest.delete(f"{address}/{name}").raise_for_status()


async def test_clusters(oleander: Oleander, workloads: Workloads) -> None:
    assert (await oleander.get_spark_cluster("oleander")).type == "oleander"
    served = workloads.rest.get(f"{workloads.platform.api_url}/api/v2/spark/clusters/oleander").raise_for_status()
    assert (served.json()["name"], served.json()["type"]) == ("oleander", "oleander")
    with pytest.raises(OleanderHttpError, match="none-such") as missing:
        await oleander.get_spark_cluster("none-such")
    assert missing.value.status == 404


async def test_programs(oleander: Oleander, program: str) -> None:
    listed = await oleander.list_spark_jobs(ListSparkJobsOptions(limit=1000))
    [found] = [artifact for artifact in listed.artifacts if artifact.name == program]
    assert (found.version, found.language) == (1, "python")
    assert found.entrypoint.endswith("orders.py")


async def test_a_query(oleander: Oleander, workloads: Workloads, place: str) -> None:
    table = f"{place}.even"
    even = {"namespace": "shop", "query": f"SELECT id FROM {place}.orders WHERE id % 2 = 0", "output_table": table}
    done = await oleander.submit_spark_sql_and_wait(
        SubmitSparkSqlAndWaitOptions(name="even-orders", **even, **SMALL, **WAITS)
    )
    assert done.state == "COMPLETE", done.run.error
    assert (done.run.job.namespace, done.run.job.name, done.run.type) == ("shop", "even-orders", "spark")
    assert len(workloads.column(table, "id") or ()) == 50

    submitted = await oleander.submit_spark_sql(
        SparkSqlSubmitOptions(name="even-orders", write_mode=SparkWriteMode.APPEND, **even, **SMALL)
    )
    assert (submitted.state, submitted.job_name, submitted.write_mode) == ("SUBMITTED", "even-orders", "APPEND")
    assert submitted.compute.executor_numbers == 1
    assert workloads.wait(submitted.run_id, END_SECONDS)["error"] is None
    assert len(workloads.column(table, "id") or ()) == 100


async def test_a_program(oleander: Oleander, workloads: Workloads, place: str, program: str) -> None:
    table = f"{place}.late"
    options: dict[str, Any] = {"namespace": "shop", "name": "late-orders", "entrypoint": program, **SMALL}
    done = await oleander.submit_spark_job_and_wait(
        SubmitSparkJobAndWaitOptions(
            args=[f"{place}.orders", table, "90"],
            spark_conf=["spark.sql.shuffle.partitions=3"],
            job_tags=["team=shop"],
            run_tags=["nightly"],
            **options,
            **WAITS,
        )
    )
    assert done.state == "COMPLETE", done.run.error
    assert sorted(workloads.column(table, "id") or ()) == list(range(90, 100))
    assert ("team", "shop") in {(tag.key, tag.value) for tag in done.run.tags}
    assert "nightly" in {tag.key for tag in done.run.tags}
    assert "partitions: 3" in workloads.scenario.messages(done.run_id)
    lineage = workloads.rest.get(f"/runs/{done.run_id}/lineage").raise_for_status().json()
    assert lineage["read"] == [f"{workloads.workspace}.{place}.orders"]
    assert lineage["written"] == [f"{workloads.workspace}.{table}"]

    submitted = await oleander.submit_spark_job(
        SparkJobSubmitOptions(args=[f"{place}.orders", f"{place}.never", "-1"], **options)
    )
    assert workloads.wait(submitted.run_id, END_SECONDS)["status"] == "failed"
    failed = await oleander.get_run(submitted.run_id)
    assert failed.state == "FAIL"
    assert "no orders below zero" in str(failed.error)
    assert workloads.column(f"{place}.never", "id") is None


async def test_what_could_never_run(oleander: Oleander, place: str) -> None:
    unknown: dict[str, Any] = {"namespace": "shop", "name": "x", "entrypoint": "none-such", **SMALL}
    with pytest.raises(OleanderHttpError, match="none-such") as refused:
        await oleander.submit_spark_job(SparkJobSubmitOptions(**unknown))
    assert refused.value.status in (400, 404)
    missing = f"SELECT * FROM {place}.none"
    with pytest.raises(OleanderHttpError, match=f"{place}.none") as unread:
        await oleander.submit_spark_sql(
            SparkSqlSubmitOptions(namespace="shop", name="x", query=missing, output_table=f"{place}.y", **SMALL)
        )
    assert unread.value.status in (400, 404)
