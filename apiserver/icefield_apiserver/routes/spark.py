"""Spark applications as oleander's client submits them, at /api/v2."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from icefield_apiserver.db.models import SparkArtifact, now
from icefield_apiserver.errors import BadRequest
from icefield_apiserver.identity.principal import CurrentPrincipal, Editor, Principal
from icefield_apiserver.repositories.artifacts import ArtifactRepository, Upload
from icefield_apiserver.repositories.dependencies import Artifacts, CurrentSpark, CurrentSparkQueries
from icefield_apiserver.schemas.spark import (
    ArtifactList,
    ArtifactRead,
    ClusterRead,
    SparkJobRequest,
    SparkJobSubmitted,
    SparkSqlCompute,
    SparkSqlRequest,
    SparkSqlSubmitted,
    artifact_of,
)
from icefield_apiserver.spark.jobs import application_of, check_cluster, tags_of
from icefield_apiserver.state import CurrentSettings
from icefield_apiserver.volumes.form import UploadForm

router = APIRouter(prefix="/spark", tags=["Spark"])

UPLOAD = "/api/v2/spark/artifacts"
"""The one path here whose body may be longer than others: it is streamed."""
_FIELDS = ("name", "mainClass", "pyFiles")
_FORM_BYTES = 1024 * 1024
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "name": {"type": "string", "description": "What it is called; as the file when absent."},
                        "mainClass": {"type": "string", "description": "The class that a jar begins with."},
                        "pyFiles": {
                            "type": "string",
                            "description": "Further Python files, as artifacts or s3://…, separated by commas.",
                        },
                        "file": {"type": "string", "format": "binary", "description": "The .py, .jar or .zip, last."},
                    },
                }
            }
        },
    }
}

Artifact = Annotated[str, Path(max_length=128, description="Name of an artifact, or id of a version.")]


@router.get("/clusters/{name}", summary="Read where Spark applications run")
async def read_spark_cluster(
    principal: CurrentPrincipal, name: Annotated[str, Path(max_length=253, description="Its name.")]
) -> ClusterRead:
    """Return the one cluster that there is: the platform's own, called oleander."""
    check_cluster(name)
    return ClusterRead(name=name, properties={})


@router.get("/artifacts", summary="List programs for Spark")
async def list_spark_artifacts(
    principal: CurrentPrincipal,
    artifacts: Artifacts,
    all_versions: Annotated[bool, Query(description="Whether older versions are listed, too.")] = False,
) -> ArtifactList:
    """Return the programs that were uploaded, by name."""
    found = await artifacts.listed(principal, all_versions=all_versions)
    return ArtifactList(artifacts=[await _read(principal, artifact, artifacts) for artifact in found])


@router.post("/artifacts", status_code=201, summary="Upload a program for Spark", openapi_extra=_FORM)
async def upload_spark_artifact(
    principal: Editor, request: Request, artifacts: Artifacts, settings: CurrentSettings
) -> ArtifactRead:
    """Keep a program as the next version of its name. It goes on to the object store as it comes."""
    longest = settings.max_artifact_bytes
    if int(request.headers.get("content-length") or 0) > longest + _FORM_BYTES:
        raise BadRequest(f"The file is longer than {longest} bytes.")
    form = UploadForm(request.headers.get("content-type", ""), request.stream(), _FIELDS)
    await form.find_file()
    upload = Upload(form.filename or "", *(form.fields.get(field, "").strip() or None for field in _FIELDS))
    return await _read(principal, await artifacts.create(principal, upload, form.file(), longest), artifacts)


@router.delete("/artifacts/{name}", status_code=204, summary="Delete a program for Spark")
async def delete_spark_artifact(principal: Editor, name: Artifact, artifacts: Artifacts) -> None:
    """Delete all versions of a name, or the one version of an id."""
    await artifacts.delete(principal, name)


@router.post("/jobs", status_code=201, summary="Submit a program to Spark")
async def submit_spark_job(
    principal: Editor, body: SparkJobRequest, artifacts: Artifacts, spark: CurrentSpark
) -> SparkJobSubmitted:
    """Start a program as a run with a driver and executors; its state is at `/api/v2/runs/{id}`."""
    check_cluster(body.cluster)
    made = await application_of(principal, body.properties, artifacts)
    run = await spark.submit(
        principal, made, namespace=body.namespace.strip(), name=body.name.strip(), tags=tags_of(body)
    )
    return SparkJobSubmitted(run_id=run.public_id)


@router.post("/query", status_code=201, summary="Submit a query to Spark")
async def submit_spark_query(
    principal: Editor, body: SparkSqlRequest, queries: CurrentSparkQueries
) -> SparkSqlSubmitted:
    """Start a query as a run; its result is written to a table. Its state is at `/api/v2/runs/{id}`."""
    run, table = await queries.run(principal, body)
    compute = SparkSqlCompute(
        driver_machine_type=body.driver_machine_type,
        executor_machine_type=body.executor_machine_type,
        executor_numbers=body.executor_numbers,
    )
    return SparkSqlSubmitted(
        run_id=run.public_id,
        namespace=body.namespace.strip(),
        job_name=body.name.strip(),
        submitted_at=run.metadata.creation_timestamp or now(),
        compute=compute,
        output_table=str(table),
        write_mode=body.write_mode,
    )


async def _read(principal: Principal, artifact: SparkArtifact, artifacts: ArtifactRepository) -> ArtifactRead:
    return artifact_of(artifact, await artifacts.uri(principal, artifact))
