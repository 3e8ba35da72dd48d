"""Spark applications in oleander's API, at /api/v2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from icefield_apiserver.core.dependencies import CurrentSettings
from icefield_apiserver.core.errors import NotFound, TooLarge
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.forms import FORM_BYTES, UploadForm, form_of
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor
from icefield_apiserver.identity.principal import Principal

from .artifacts import ArtifactService, Upload
from .models import SparkArtifact
from .programs import tags_of
from .schemas import (
    CLUSTER,
    ArtifactList,
    ArtifactRead,
    ClusterRead,
    SparkJobRequest,
    SparkJobSubmitted,
    artifact_of,
)
from .service import SparkService

router = Router(prefix="/spark", tags=["Spark"])

Artifacts = Annotated[ArtifactService, Depends(provided(ArtifactService))]
CurrentSpark = Annotated[SparkService, Depends(provided(SparkService))]

_FIELDS = ("name", "mainClass", "pyFiles")
_FORM = form_of(
    {
        "name": "Its name; the file's name when absent.",
        "mainClass": "Main class of a jar.",
        "pyFiles": "Further Python files, as artifacts or s3://…, separated by commas.",
    },
    file="The .py, .jar or .zip, last.",
    filename="daily.py",
)

Artifact = Annotated[str, Path(max_length=128, description="Name of an artifact, or id of a version.")]


@router.get("/clusters/{name}", summary="Read where Spark applications run")
async def read_spark_cluster(
    principal: CurrentPrincipal, name: Annotated[str, Path(max_length=253, description="Name of the cluster.")]
) -> ClusterRead:
    """Return the platform's only Spark cluster, oleander."""
    _check_cluster(name)
    return ClusterRead(name=name, properties={})


@router.get("/artifacts", summary="List programs for Spark")
async def list_spark_artifacts(
    principal: CurrentPrincipal,
    artifacts: Artifacts,
    all_versions: Annotated[bool, Query(description="Whether older versions are listed as well.")] = False,
) -> ArtifactList:
    """Return the programs that were uploaded, by name."""
    found = await artifacts.listed(principal, all_versions=all_versions)
    return ArtifactList(artifacts=[await _read(principal, artifact, artifacts) for artifact in found])


@router.post("/artifacts", status_code=201, summary="Upload a program for Spark", openapi_extra=_FORM)
async def upload_spark_artifact(
    principal: Editor, request: Request, artifacts: Artifacts, settings: CurrentSettings
) -> ArtifactRead:
    """Store a program as the next version of its name. It is streamed to the object store."""
    longest = settings.max_artifact_bytes
    if int(request.headers.get("content-length") or 0) > longest + FORM_BYTES:
        raise TooLarge(f"The file is longer than {longest} bytes.")
    form = UploadForm(request.headers.get("content-type", ""), request.stream(), _FIELDS)
    await form.find_file()
    upload = Upload(form.filename or "", *(form.fields.get(field, "").strip() or None for field in _FIELDS))
    return await _read(principal, await artifacts.create(principal, upload, form.file(), longest), artifacts)


@router.delete("/artifacts/{name}", status_code=204, summary="Delete a program for Spark")
async def delete_spark_artifact(principal: Editor, name: Artifact, artifacts: Artifacts) -> None:
    """Delete all versions of a name, or the one version of an id."""
    await artifacts.delete(principal, name)


@router.post("/jobs", status_code=201, summary="Submit a program to Spark")
async def submit_spark_job(principal: Editor, body: SparkJobRequest, spark: CurrentSpark) -> SparkJobSubmitted:
    """Start a program as a run with a driver and executors; its state is at `/api/v2/runs/{id}`."""
    _check_cluster(body.cluster)
    run = await spark.submit_program(
        principal,
        body.properties.to_program(),
        namespace=body.namespace.strip(),
        name=body.name.strip(),
        tags=tags_of(body.job_tags, body.run_tags),
        on_quota=body.on_quota,
    )
    return SparkJobSubmitted(run_id=run.public_id)


def _check_cluster(name: str) -> None:
    if name != CLUSTER:
        raise NotFound(f"There is no Spark cluster {name}; the only one is {CLUSTER}.")


async def _read(principal: Principal, artifact: SparkArtifact, artifacts: ArtifactService) -> ArtifactRead:
    return artifact_of(artifact, await artifacts.uri(principal, artifact))
