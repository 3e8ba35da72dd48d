"""Settings of Spark, from its container's environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class SparkSettings(BaseSettings):
    """Everything else; each field is the variable ICEFIELD_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_", extra="ignore", frozen=True)

    workspace: str
    """The workspace's slug, which is the catalog's name in SQL."""
    warehouse: str = "warehouse"
    memory_limit_bytes: int = Field(default=2048 * MIB, gt=0)
    cpu_limit: float = Field(default=2.0, gt=0)
    jars: Path = Path("/opt/icefield/jars")
    class_archive: Path | None = None
    """An archive of Spark's classes for the JVM, which the image has; its class path is the .jar of the same name."""
    spill_directory: Path = Path("/spill")
    spark_port: int = Field(default=15002, ge=1, le=65535)
    spark_executors_min: int = Field(default=0, ge=0)
    spark_executors_max: int = Field(default=0, ge=0)
    """How many executors there may be in pods of their own; 0 runs everything in this container."""
    spark_executor_cpu: int = Field(default=1, ge=1)
    spark_executor_cpu_request: str = "100m"
    spark_executor_memory_bytes: int = Field(default=2048 * MIB, gt=0)
    spark_executor_image: str = ""
    spark_executor_template: Path = Path("/etc/icefield/executor/pod.yaml")
    namespace: str = ""
    pod_name: str = ""
    pod_ip: str = ""
