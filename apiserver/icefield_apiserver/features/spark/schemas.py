"""REST schemas of Spark applications, as in oleander's API (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from icefield_apiserver.core.execution import LOCK, OptionalLock, RequirementsWrite
from icefield_apiserver.core.on_quota import OnQuota, OnQuotaField
from icefield_apiserver.core.schemas import Bounded, RequestBody
from icefield_crds.requirements import Requirements

from .machines import DEFAULT_MACHINE, MAX_EXECUTORS, Machines
from .models import SparkArtifact
from .programs import SparkProgram, split_names

CLUSTER = "oleander"
"""Name of the platform's Spark in oleander's API."""

JobName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"\S", description="Name of the job.")]
JobNamespace = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"\S", description="Namespace of the job, in your own terms.")
]
Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=256)]],
    Field(max_length=50, description="Tags: key=value, or a key alone."),
]
Machine = Annotated[
    str, Field(max_length=32, description="spark.N.c, spark.N.b or spark.N.m: N cores with 2, 4 or 8 GiB each.")
]
Executors = Annotated[
    int, Field(ge=0, le=MAX_EXECUTORS, description="Number of executors; with 0 the driver does all the work.")
]


class ClusterRead(BaseModel):
    """Where Spark applications run."""

    name: str = Field(description="Name of the cluster.", examples=[CLUSTER])
    type: Literal["oleander"] = Field(default="oleander", description="Always oleander: the platform's own.")
    properties: dict[str, Any] = Field(description="Always empty.")


class ArtifactRead(BaseModel):
    """A program for Spark."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str = Field(description="Id of this version.", examples=["art_4812c0ffee00"])
    entrypoint: str = Field(description="Location of its file.", examples=["s3://lake/workspaces/acme/artifacts/…"])
    name: str = Field(description="Its name; a job's entrypoint may be this name.")
    version: int = Field(description="Number of the version, from 1; a job runs the newest.")
    language: str = Field(description="python or java.")
    main_class: str | None = Field(description="Main class of a jar.")
    py_files: str | None = Field(description="Further Python files, separated by commas.")
    virtualenv: str | None = Field(default=None, description="Always null.")
    status: str = Field(default="READY", description="Always READY: what is listed can be run.")
    size: int = Field(description="Bytes of its file.")
    created_by: str = Field(description="Who uploaded it.")
    created_at: datetime = Field(description="When it was uploaded.")
    updated_at: datetime = Field(description="Alias of created_at: a version does not change.")


class ArtifactList(BaseModel):
    """The uploaded programs."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    artifacts: list[ArtifactRead] = Field(description="The newest version of each, or all versions, by name.")


class SparkProperties(RequestBody):
    """The program of a job, and its machines."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    entrypoint: str = Field(
        min_length=1, max_length=1024, description="Name or id of an artifact, or s3://… of the workspace: .py or .jar."
    )
    entrypoint_arguments: list[str] = Field(default=[], max_length=200, description="Arguments of the program.")
    driver_machine_type: Machine = DEFAULT_MACHINE
    executor_machine_type: Machine = DEFAULT_MACHINE
    executor_numbers: Executors = 2
    spark_conf: list[str] = Field(
        default=[], max_length=200, description="Spark's configuration.", examples=[["spark.sql.shuffle.partitions=8"]]
    )
    packages: list[str] = Field(default=[], max_length=50, description="Maven coordinates: group:artifact:version.")
    py_files: str | Annotated[list[str], Bounded] | None = Field(
        default=None, description="Further Python files, named as entrypoint is: a list, or a text separated by commas."
    )
    main_class: str | None = Field(default=None, max_length=512, description="Main class of a jar.")

    requirements: RequirementsWrite | None = Field(default=None, description="Python packages that it needs (PEP 508).")
    lock: OptionalLock = Field(default=None, description=LOCK)

    def to_program(self) -> SparkProgram:
        """Return the program."""
        return SparkProgram(
            entrypoint=self.entrypoint,
            machines=Machines(self.driver_machine_type, self.executor_machine_type, self.executor_numbers),
            arguments=self.entrypoint_arguments,
            conf=self.spark_conf,
            packages=self.packages,
            py_files=split_names(self.py_files),
            main_class=self.main_class,
            requirements=Requirements(tuple(self.requirements or ()), self.lock),
        )


class SparkJobRequest(RequestBody):
    """Request body to submit a program to Spark."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    cluster: str = Field(default=CLUSTER, max_length=253, description="Name of the cluster; always oleander.")
    namespace: JobNamespace
    name: JobName
    job_tags: Tags = []
    run_tags: Tags = []
    properties: SparkProperties = Field(description="The program, and its machines.")
    on_quota: OnQuotaField = OnQuota.REFUSE


class SparkJobSubmitted(BaseModel):
    """The run that a program was submitted as."""

    run_id: str = Field(
        serialization_alias="runId", description="Id of the run: ask /api/v2/runs/{id}.", examples=["run_4812c0ffee00"]
    )


def artifact_of(artifact: SparkArtifact, uri: str) -> ArtifactRead:
    """Return an artifact as REST shows it."""
    return ArtifactRead(
        id=artifact.id,
        entrypoint=uri,
        name=artifact.name,
        version=artifact.version,
        language="java" if artifact.file.endswith(".jar") else "python",
        main_class=artifact.main_class,
        py_files=artifact.py_files,
        size=artifact.size,
        created_by=artifact.created_by,
        created_at=artifact.created_at,
        updated_at=artifact.created_at,
    )
