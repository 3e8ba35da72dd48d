"""Spark jobs, queries and artifacts over REST, over the real catalog and object store; the operator is played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from oleander_sdk import Oleander, OleanderHttpError
from oleander_sdk.models import (
    ListSparkJobsOptions,
    SparkMachineType,
    SparkSqlSubmitOptions,
    SparkWriteMode,
    SubmitSparkJobAndWaitOptions,
    SubmitSparkSqlAndWaitOptions,
)
from pyiceberg.catalog import load_catalog

from icefield_apiserver.core.settings import Settings
from icefield_crds import Run
from icefield_crds.names import JOB_NAME_ANNOTATION, JOB_NAMESPACE_ANNOTATION, RUN_TAGS_ANNOTATION
from tests.catalog import BUCKET, RunningCatalog
from tests.eventually import eventually
from tests.object_store import s3_client

from .conftest import ADMIN, AddUser, MakeClient, SignIn
from .lakehouse import Lakehouse, MakeLakehouse
from .playing import set_run_status
from .test_polnor_sdk import listening

pytestmark = pytest.mark.integration

PROGRAM = b"print('hello')\n"
ENDED = {"startTime": "2026-06-01T08:00:00Z", "completionTime": "2026-06-01T08:00:05Z"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a short ceiling of what is uploaded."""
    return settings.model_copy(update={"max_artifact_bytes": 9 * 1024 * 1024})


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse, add_user: AddUser) -> Lakehouse:
    """A workspace with a catalog, and a viewer in it."""
    await add_user("viewer@acme.eu")
    return await make_lakehouse("spark", {"viewer@acme.eu": "viewer"}, quotas={"max_running_runs": 3})


@pytest_asyncio.fixture
async def admin_there(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there."""
    return await sign_in(ADMIN, workspace=lakehouse.slug)


@pytest_asyncio.fixture
async def client(app: FastAPI, admin_there: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """The same, at /api/v2/spark."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://icefield/api/v2/spark", headers=admin_there.headers
    ) as client:
        yield client


@pytest_asyncio.fixture
async def sdk(app: FastAPI, admin_there: httpx.AsyncClient) -> AsyncIterator[Oleander]:
    """The published client with a key of the workspace, against the server over HTTP."""
    made = await admin_there.post("/auth/keys", json={"name": "oleander"})
    assert made.status_code == 201, made.text
    async with listening(app) as url:
        yield Oleander(api_key=made.json()["key"], base_url=url)


@pytest.fixture
def orders(lakehouse: Lakehouse) -> pa.Table:
    """A table sales.orders of ten rows."""
    catalog = load_catalog("outside", **lakehouse.pyiceberg)
    rows = pa.table({"id": pa.array(range(10), pa.int64())})
    catalog.create_namespace("sales")
    catalog.create_table("sales.orders", rows.schema).append(rows)
    return rows


async def upload(client: httpx.AsyncClient, file: str, content: bytes = PROGRAM, **fields: str) -> httpx.Response:
    """Upload a program."""
    return await client.post("/artifacts", data=fields, files={"file": (file, content)})


def runs(app: FastAPI, lakehouse: Lakehouse) -> list[Run]:
    """The workspace's runs, newest last."""
    found = [
        run for run in app.state.core.cluster.runs.store.all() if run.metadata.namespace == f"icefield-{lakehouse.slug}"
    ]
    return sorted(found, key=lambda run: int(run.metadata.resource_version or 0))


async def test_clusters(sdk: Oleander, client: httpx.AsyncClient) -> None:
    assert (await sdk.get_spark_cluster("oleander")).type == "oleander"
    answer = await client.get("/clusters/oleander")
    assert answer.json() == {"name": "oleander", "type": "oleander", "properties": {}}
    with pytest.raises(OleanderHttpError, match="There is no Spark cluster emr") as missing:
        await sdk.get_spark_cluster("emr")
    assert missing.value.status == 404


async def test_artifacts_come_in_versions(
    client: httpx.AsyncClient, sdk: Oleander, lakehouse: Lakehouse, embedded_catalog: RunningCatalog
) -> None:
    first = await upload(client, "daily.py")
    assert first.status_code == 201, first.text
    second = (await upload(client, "other.py", PROGRAM * 2, name="daily", pyFiles="lib, s3://b/x.py")).json()
    jar = (await upload(client, "App.jar", b"PK" * (4 * 1024 * 1024), mainClass="io.acme.Main")).json()
    assert (first.json()["version"], second["version"], jar["version"]) == (1, 2, 1)
    assert (second["name"], second["pyFiles"], second["language"], second["size"]) == (
        "daily",
        "lib, s3://b/x.py",
        "python",
        2 * len(PROGRAM),
    )
    assert (jar["name"], jar["mainClass"], jar["language"], jar["status"]) == ("App", "io.acme.Main", "java", "READY")
    root = f"s3://{BUCKET}/workspaces/{lakehouse.slug}/artifacts/"
    assert second["entrypoint"] == f"{root}{second['id']}/other.py"

    listed = await sdk.list_spark_jobs(ListSparkJobsOptions(limit=1))
    assert ([artifact.name for artifact in listed.artifacts], listed.has_more) == (["App"], True)
    rest = await sdk.list_spark_jobs(ListSparkJobsOptions(limit=1, offset=1))
    assert [(artifact.name, artifact.version) for artifact in rest.artifacts] == [("daily", 2)]
    every = (await client.get("/artifacts", params={"all_versions": True})).json()["artifacts"]
    assert [(artifact["name"], artifact["version"]) for artifact in every] == [("App", 1), ("daily", 2), ("daily", 1)]

    site = lakehouse.site
    async with s3_client(site.endpoint, site.access_key_id, site.secret_access_key) as s3:
        prefix = f"workspaces/{lakehouse.slug}/artifacts/"
        stored = await s3.get_object(Bucket=BUCKET, Key=f"{prefix}{second['id']}/other.py")
        assert await stored["Body"].read() == PROGRAM * 2
        assert (await client.delete(f"/artifacts/{second['id']}")).status_code == 204
        left = (await client.get("/artifacts")).json()["artifacts"]
        assert [(artifact["name"], artifact["version"]) for artifact in left] == [("App", 1), ("daily", 1)]
        assert (await client.delete("/artifacts/daily")).status_code == 204
        assert (await client.delete("/artifacts/App")).status_code == 204
        assert (await client.delete("/artifacts/App")).status_code == 404
        assert not (await s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)).get("Contents")


async def test_uploads_at_once_get_versions_of_their_own(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    answers = await asyncio.gather(*(upload(client, "racing.py") for _ in range(4)))
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("file", "content", "fields", "sentence"),
    [
        ("daily.sh", PROGRAM, {}, "is no program for Spark"),
        ("a b.py", PROGRAM, {}, "is no program for Spark"),
        ("../x.py", PROGRAM, {}, "is no program for Spark"),
        ("x.py", PROGRAM, {"name": "a/b"}, "name 'a/b' is not allowed"),
        ("x.py", PROGRAM, {"name": "art_0123456789ab"}, "is not allowed"),
        ("x.jar", PROGRAM, {"mainClass": "not a class"}, "is not the name of a class"),
    ],
)
async def test_what_is_no_artifact(
    client: httpx.AsyncClient, lakehouse: Lakehouse, file: str, content: bytes, fields: dict[str, str], sentence: str
) -> None:
    answer = await upload(client, file, content, **fields)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]
    assert (await client.get("/artifacts")).json() == {"ok": True, "artifacts": []}


async def test_artifacts_have_a_longest_length(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    answer = await upload(client, "x.jar", b"x" * (9 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()) == (413, {"error": "The file is longer than 9437184 bytes."})
    assert (await client.get("/artifacts")).json() == {"ok": True, "artifacts": []}


async def test_fields_after_the_file_are_refused(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    form = [("file", ("x.py", PROGRAM)), ("name", (None, b"daily"))]
    answer = await client.post("/artifacts", files=form)
    assert (answer.status_code, "Field name comes after the file" in answer.json()["error"]) == (400, True)
    assert (await client.get("/artifacts")).json()["artifacts"] == []


async def test_a_job_is_a_run(app: FastAPI, sdk: Oleander, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    artifact = (await upload(client, "daily.py")).json()
    asked = asyncio.create_task(
        sdk.submit_spark_job_and_wait(
            SubmitSparkJobAndWaitOptions(
                namespace="etl",
                name="Daily totals",
                entrypoint="daily",
                args=["--day", "2026-11-22"],
                spark_conf=["spark.sql.shuffle.partitions=8", "spark.x=a=b"],
                packages=["org.acme:tools_2.13:1.0"],
                driver_machine_type=SparkMachineType.SPARK_2_C,
                executor_machine_type=SparkMachineType.SPARK_4_M,
                executor_numbers=3,
                job_tags=["team=data"],
                run_tags=["nightly"],
                poll_interval_ms=10,
            )
        )
    )

    async def is_there() -> bool:
        return bool(runs(app, lakehouse))

    await eventually(is_there)
    (run,) = runs(app, lakehouse)
    application = run.spec.spark
    assert application is not None
    assert (application.entrypoint, application.arguments) == (artifact["entrypoint"], ["--day", "2026-11-22"])
    assert application.conf == {"spark.sql.shuffle.partitions": "8", "spark.x": "a=b"}
    assert application.packages == ["org.acme:tools_2.13:1.0"]
    assert (application.driver.cpu, application.driver.memory) == ("2", "4Gi")
    assert (application.executor.cpu, application.executor.memory, application.executors) == ("4", "32Gi", 3)
    annotations = run.metadata.annotations
    assert (annotations[JOB_NAMESPACE_ANNOTATION], annotations[JOB_NAME_ANNOTATION]) == ("etl", "Daily totals")
    assert json.loads(annotations[RUN_TAGS_ANNOTATION]) == [
        {"key": "team", "value": "data", "source": "job"},
        {"key": "nightly", "value": "true", "source": "run"},
    ]
    assert run.metadata.name.startswith("daily-totals-")
    await set_run_status(app, run.metadata.namespace or "", run.metadata.name, {"phase": "success", **ENDED})
    done = await asked
    assert (done.state, done.run_id) == ("COMPLETE", run.public_id)
    assert (done.run.job.namespace, done.run.job.name) == ("etl", "Daily totals")
    assert [(tag.key, tag.value) for tag in done.run.tags] == [("team", "data"), ("nightly", "true")]


def job(**properties: Any) -> dict[str, Any]:
    """The body of a job."""
    return {"namespace": "etl", "name": "daily", "properties": {"entrypoint": "daily", **properties}}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (job(entrypoint="nope"), 400, "there is no artifact nope"),
        (job(entrypoint="s3://elsewhere/x.py"), 400, "is not the workspace's"),
        (job(entrypoint=f"s3://{BUCKET}/workspaces/another/x.py"), 400, "is not the workspace's"),
        (job(entrypoint="lib"), 400, "neither a .py nor a .jar"),
        (job(entrypoint="App"), 400, "a jar needs its main class"),
        (job(driverMachineType="spark.3.b"), 400, "Field properties.driverMachineType"),
        (job(executorMachineType="G.1X"), 400, "Field properties.executorMachineType"),
        (job(executorNumbers=21), 400, "executorNumbers"),
        (job(sparkConf=["spark.x"]), 400, "is not spark.key=value"),
        (job(sparkConf=["other=1"]), 400, "is not spark.key=value"),
        (job(packages=["nonsense"]), 400, "is not group:artifact:version"),
        (job(requirements=["-e ."]), 400, "should be a requirement such as"),
        (job(lock="a==1"), 400, "should be a pylock.toml, or requirements with hashes"),
        (job(pyFiles="daily,nope"), 400, "there is no artifact nope"),
        (job(pyFiles="App"), 400, "is none of .py, .zip, .egg"),
        (job(virtualenv="env.tar.gz"), 400, "virtualenv"),
        ({**job(), "cluster": "emr"}, 404, "There is no Spark cluster emr"),
        ({**job(), "name": " "}, 400, "name"),
        ({**job(), "runTags": ["=x"]}, 400, "has no key"),
        ({"namespace": "etl", "name": "daily"}, 400, "Field properties is required."),
    ],
)
async def test_jobs_that_can_never_run(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse, body: dict[str, Any], status: int, sentence: str
) -> None:
    for file in ("daily.py", "lib.zip", "App.jar"):
        assert (await upload(client, file)).status_code == 201
    answer = await client.post("/jobs", json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
    assert runs(app, lakehouse) == []


async def test_what_a_job_brings_along(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    lib = (await upload(client, "lib.zip")).json()
    jar = (await upload(client, "App.jar", mainClass="io.acme.Main")).json()
    own = f"s3://{BUCKET}/workspaces/{lakehouse.slug}/programs/own.py"
    assert (await client.post("/jobs", json=job(entrypoint="App", executorNumbers=0))).status_code == 201
    body = job(entrypoint=own, pyFiles=["lib", own], requirements=["humanize"])
    assert (await client.post("/jobs", json=body)).status_code == 201
    first, second = runs(app, lakehouse)
    assert first.spec.spark is not None
    assert (first.spec.spark.entrypoint, first.spec.spark.main_class) == (jar["entrypoint"], "io.acme.Main")
    assert first.spec.spark.executors == 0
    assert second.spec.spark is not None
    assert (second.spec.spark.entrypoint, second.spec.spark.py_files) == (own, [lib["entrypoint"], own])
    assert (first.spec.requirements, second.spec.requirements) == ([], ["humanize"])


async def test_a_query_is_a_run(
    app: FastAPI, sdk: Oleander, client: httpx.AsyncClient, lakehouse: Lakehouse, orders: pa.Table
) -> None:
    options = SparkSqlSubmitOptions(
        namespace="etl",
        name="totals",
        query="SELECT count(*) AS n FROM oleander.sales.orders;",
        output_table="made.today.totals",
        write_mode=SparkWriteMode.APPEND,
        executor_numbers=1,
    )
    submitted = await sdk.submit_spark_sql(options)
    (run,) = runs(app, lakehouse)
    assert (submitted.run_id, submitted.state) == (run.public_id, "SUBMITTED")
    assert (submitted.namespace, submitted.job_name) == ("etl", "totals")
    assert (submitted.output_table, submitted.write_mode) == ("made.today.totals", "APPEND")
    assert submitted.compute.model_dump() == {
        "driver_machine_type": "spark.1.b",
        "executor_machine_type": "spark.1.b",
        "executor_numbers": 1,
    }
    assert run.spec.spark is not None
    assert run.spec.spark.sql is not None
    sql = run.spec.spark.sql
    assert (sql.output_table, sql.write_mode) == ("made.today.totals", "append")
    assert sql.query.endswith(f" AS n FROM `{lakehouse.slug}`.`sales`.`orders`")
    await set_run_status(
        app, run.metadata.namespace or "", run.metadata.name, {"phase": "failed", "error": "no", **ENDED}
    )
    assert (await sdk.get_run(submitted.run_id)).state == "FAIL"
    catalog = load_catalog("outside", **lakehouse.pyiceberg)
    assert ("made", "today") in catalog.list_namespaces("made")

    options = SubmitSparkSqlAndWaitOptions(**options.model_dump(), poll_interval_ms=10)
    for change, sentence in (
        ({"query": "SELECT * FROM sales.nope"}, "There is no table or view"),
        ({"query": "DELETE FROM sales.orders"}, "names the table that it writes itself"),
        ({"query": "SELEC 1"}, "SELEC begins no statement"),
        ({"output_table": "no table"}, "output_table"),
        ({"output_table": "oleander.oleander.x"}, "names the workspace's catalog"),
    ):
        with pytest.raises(OleanderHttpError, match=sentence) as refused:
            await sdk.submit_spark_sql_and_wait(options.model_copy(update=change))
        assert refused.value.status == 400


async def test_who_may_submit_and_how_much(
    client: httpx.AsyncClient, clients: MakeClient, sign_in: SignIn, lakehouse: Lakehouse, app: FastAPI
) -> None:
    await upload(client, "daily.py")
    signed_in = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    transport = httpx.ASGITransport(app)
    address = "http://icefield/api/v2/spark"
    async with httpx.AsyncClient(transport=transport, base_url=address, headers=signed_in.headers) as viewer:
        assert len((await viewer.get("/artifacts")).json()["artifacts"]) == 1
        assert (await viewer.post("/jobs", json=job())).status_code == 403
        assert (await upload(viewer, "x.py")).status_code == 403
        assert (await viewer.delete("/artifacts/daily")).status_code == 403
    async with httpx.AsyncClient(transport=transport, base_url=address) as nobody:
        assert (await nobody.get("/artifacts")).status_code == 401
    for _ in range(3):
        assert (await client.post("/jobs", json=job())).status_code == 201
    refused = await client.post("/jobs", json=job())
    assert (refused.status_code, "max_running_runs=3" in refused.json()["error"]) == (429, True)
    assert (await client.post("/jobs", json={**job(), "onQuota": "queue"})).status_code == 201


async def test_another_workspace_has_its_own(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse, make_lakehouse: MakeLakehouse, sign_in: SignIn
) -> None:
    artifact = (await upload(client, "daily.py")).json()
    other = await make_lakehouse("other")
    signed_in = await sign_in(ADMIN, workspace=other.slug)
    transport = httpx.ASGITransport(app)
    address = "http://icefield/api/v2/spark"
    async with httpx.AsyncClient(transport=transport, base_url=address, headers=signed_in.headers) as stranger:
        assert (await stranger.get("/artifacts")).json()["artifacts"] == []
        for entrypoint in ("daily", artifact["id"], artifact["entrypoint"]):
            assert (await stranger.post("/jobs", json=job(entrypoint=entrypoint))).status_code == 400
        assert (await stranger.delete(f"/artifacts/{artifact['id']}")).status_code == 404
