"""Spark applications as oleander's API says them (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from icefield_apiserver.db.models import SparkArtifact
from icefield_apiserver.spark.machines import DEFAULT_MACHINE, MAX_EXECUTORS

from .query import DESTINATION_PATTERN

CLUSTER = "oleander"
"""What oleander's clients call the Spark that is here."""

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
    int, Field(ge=0, le=MAX_EXECUTORS, description="How many executors; 0 when the driver does it all.")
]
WriteMode = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)


class ClusterRead(BaseModel):
    """Where Spark applications run."""

    name: str = Field(description="Its name.", examples=[CLUSTER])
    type: Literal["oleander"] = Field(default="oleander", description="Always oleander: the platform's own.")
    properties: dict[str, Any] = Field(description="Nothing has to be known of it.")


class ArtifactRead(BaseModel):
    """A program for Spark."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: str = Field(description="Id of this version.", examples=["art_4812c0ffee00"])
    entrypoint: str = Field(description="Where its file lies.", examples=["s3://lake/workspaces/acme/artifacts/…"])
    name: str = Field(description="Its name, which a job's entrypoint may be.")
    version: int = Field(description="From 1; a job takes the newest.")
    language: str = Field(description="python or java.")
    main_class: str | None = Field(description="The class that a jar begins with.")
    py_files: str | None = Field(description="Further Python files, separated by commas.")
    virtualenv: str | None = Field(default=None, description="Always null.")
    status: str = Field(default="READY", description="Always READY: what is listed can be run.")
    size: int = Field(description="Bytes of its file.")
    created_by: str = Field(description="Who uploaded it.")
    created_at: datetime = Field(description="When.")
    updated_at: datetime = Field(description="The same: a version does not change.")


class ArtifactList(BaseModel):
    """The programs that there are."""

    ok: Literal[True] = Field(default=True, description="Always true; errors have a status of their own.")
    artifacts: list[ArtifactRead] = Field(description="By name; of each the newest version, or all.")


class SparkProperties(BaseModel):
    """What a job runs, and on what."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    entrypoint: str = Field(
        min_length=1, max_length=1024, description="Name or id of an artifact, or s3://… of the workspace: .py or .jar."
    )
    entrypoint_arguments: list[str] = Field(default=[], max_length=200, description="Its arguments.")
    driver_machine_type: Machine = DEFAULT_MACHINE
    executor_machine_type: Machine = DEFAULT_MACHINE
    executor_numbers: Executors = 2
    spark_conf: list[str] = Field(
        default=[], max_length=200, description="Spark's configuration.", examples=[["spark.sql.shuffle.partitions=8"]]
    )
    packages: list[str] = Field(default=[], max_length=50, description="Maven coordinates: group:artifact:version.")
    py_files: str | list[str] | None = Field(
        default=None, description="Further Python files, as entrypoint; in a text, separated by commas."
    )
    main_class: str | None = Field(default=None, max_length=512, description="The class that a jar begins with.")


class SparkJobRequest(BaseModel):
    """A program that shall be run."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    cluster: str = Field(default=CLUSTER, max_length=253, description="Where; there is one, called oleander.")
    namespace: JobNamespace
    name: JobName
    job_tags: Tags = []
    run_tags: Tags = []
    properties: SparkProperties = Field(description="What runs, and on what.")


class SparkJobSubmitted(BaseModel):
    """The run that a program was submitted as."""

    run_id: str = Field(
        serialization_alias="runId", description="Id of the run: ask /api/v2/runs/{id}.", examples=["run_4812c0ffee00"]
    )


class SparkSqlRequest(BaseModel):
    """A query whose result shall be written to a table by Spark."""

    namespace: JobNamespace
    name: JobName
    query: str = Field(min_length=1, max_length=65536, description="One query in Spark SQL.")
    output_table: str = Field(
        min_length=1, max_length=512, pattern=DESTINATION_PATTERN, description="The table that is written."
    )
    write_mode: Annotated[Literal["OVERWRITE", "APPEND"], WriteMode] = Field(
        default="OVERWRITE", description="OVERWRITE replaces the table in one commit; APPEND adds rows."
    )
    driver_machine_type: Machine = DEFAULT_MACHINE
    executor_machine_type: Machine = DEFAULT_MACHINE
    executor_numbers: Executors = 2


class SparkSqlCompute(BaseModel):
    """What a query runs on."""

    driver_machine_type: str = Field(description="Machine type of the driver.")
    executor_machine_type: str = Field(description="Machine type of each executor.")
    executor_numbers: int = Field(description="How many executors.")


class SparkSqlSubmitted(BaseModel):
    """The run that a query was submitted as."""

    run_id: str = Field(description="Id of the run: ask /api/v2/runs/{id}.", examples=["run_4812c0ffee00"])
    state: Literal["SUBMITTED"] = Field(default="SUBMITTED", description="Always SUBMITTED here.")
    namespace: str = Field(description="Namespace of the job.")
    job_name: str = Field(description="Name of the job.")
    pipeline_id: str | None = Field(default=None, description="Always null.")
    submitted_at: datetime = Field(description="When it was submitted.")
    compute: SparkSqlCompute = Field(description="What it runs on.")
    output_table: str = Field(description="The table that is written.")
    write_mode: str = Field(description="OVERWRITE or APPEND.")


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
