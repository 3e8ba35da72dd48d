"""A Spark application, as a Run executes it with a driver pod and executor pods."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from .flavor import DEFAULT_EPHEMERAL_STORAGE
from .meta import Model, Quantity
from .polars import TABLE_PATTERN, SaveMode


class SparkQuery(Model):
    """A query whose result is written to a table."""

    query: Annotated[str, Field(description="SQL in Spark's dialect.", min_length=1, max_length=65536)]
    output_table: Annotated[
        str | None,
        Field(
            description="The table that is written; absent for a statement that names its own.",
            max_length=512,
            pattern=TABLE_PATTERN,
        ),
    ] = None
    write_mode: Annotated[SaveMode, Field(description="overwrite replaces the table in one commit; append adds.")] = (
        SaveMode.OVERWRITE
    )


class SparkPod(Model):
    """The size of a driver or of each executor."""

    cpu: Annotated[Quantity, Field(description="CPU limit, in cores.")] = "1"
    memory: Annotated[Quantity, Field(description="Memory limit.")] = "4Gi"
    ephemeral_storage: Annotated[
        Quantity, Field(description="Limit of the node's disk that it may use: shuffles, spilled data and logs.")
    ] = DEFAULT_EPHEMERAL_STORAGE


class SparkApplication(Model):
    """A program or a query for Spark."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.entrypoint) != has(self.sql)", "message": "give either an entrypoint or sql"},
                {
                    "rule": "!has(self.entrypoint) || !self.entrypoint.endsWith('.jar') || has(self.mainClass)",
                    "message": "a jar needs a mainClass",
                },
            ]
        }
    )

    entrypoint: Annotated[
        str | None,
        Field(
            description="A Python file or a jar: s3://… in the workspace's part of the bucket.",
            max_length=1024,
            pattern=r"^s3a?://.+\.(py|jar)$",
        ),
    ] = None
    main_class: Annotated[str | None, Field(description="The class to start of a jar.", max_length=512)] = None
    arguments: Annotated[
        list[Annotated[str, Field(max_length=32768)]],
        Field(description="Its arguments.", max_length=200, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = []
    sql: Annotated[SparkQuery | None, Field(description="A query, instead of an entrypoint.")] = None
    py_files: Annotated[
        list[Annotated[str, Field(max_length=1024, pattern=r"^s3a?://.+\.(py|zip|egg)$")]],
        Field(
            description="Python files put on the path of driver and executors: s3://….",
            max_length=50,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = []
    packages: Annotated[
        list[Annotated[str, Field(max_length=512, pattern=r"^[^:,\s]+:[^:,\s]+:[^:,\s]+$")]],
        Field(
            description="Maven coordinates, group:artifact:version, fetched by the driver.",
            max_length=50,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = []
    conf: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]],
        Field(description="Spark's configuration; what the platform sets itself wins.", max_length=200),
    ] = {}
    driver: Annotated[SparkPod, Field(description="Size of the driver.")] = SparkPod()
    executor: Annotated[SparkPod, Field(description="Size of each executor.")] = SparkPod()
    executors: Annotated[int, Field(description="How many executors; 0 runs it all in the driver.", ge=0, le=100)] = 1
