"""Settings of the gateway and of DuckDB's process, from their environment."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
_PYTHON_BYTES = 350 * MIB
"""Of the gateway and of DuckDB's process together."""
SMALLEST_DUCKDB_BYTES = 128 * MIB


class StoreSettings(BaseSettings):
    """The workspace's part of the object store (Secret icefield-object-store)."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    endpoint: str | None = Field(default=None, validation_alias="AWS_ENDPOINT_URL")
    region: str = Field(default="us-east-1", validation_alias="AWS_REGION")
    access_key_id: str = Field(validation_alias="AWS_ACCESS_KEY_ID")
    secret_access_key: SecretStr = Field(validation_alias="AWS_SECRET_ACCESS_KEY")
    bucket: str = Field(validation_alias="ICEFIELD_BUCKET")
    prefix: str = Field(validation_alias="ICEFIELD_PREFIX")
    """What the keys open, without a slash at its end."""

    @property
    def url(self) -> str:
        """The workspace's prefix as an s3:// URL, without a slash at its end."""
        return f"s3://{self.bucket}/{self.prefix.strip('/')}"

    @property
    def host(self) -> str | None:
        """Host and port of the store; None for Amazon's own."""
        return urlsplit(self.endpoint).netloc if self.endpoint else None

    @property
    def uses_tls(self) -> bool:
        """Whether the store is reached by https."""
        return not (self.endpoint or "").startswith("http://")


class CatalogSettings(BaseSettings):
    """The workspace's Iceberg catalog (Secret icefield-catalog)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_CATALOG_", extra="ignore", frozen=True)

    uri: str
    warehouse: str
    token: SecretStr = SecretStr("")


class DuckDBSettings(BaseSettings):
    """What DuckDB is given; each field is the variable ICEFIELD_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_", extra="ignore", frozen=True)

    memory_limit_bytes: int = Field(default=2048 * MIB, gt=0)
    cpu_limit: float = Field(default=2.0, gt=0)
    spill_directory: Path = Path("/spill")
    spill_limit_bytes: int | None = Field(default=None, gt=0)
    """How much may be spilled to disk; half of what is free when absent."""
    log_level: str = "INFO"

    @property
    def threads(self) -> int:
        """How many threads DuckDB works with."""
        return max(1, math.ceil(self.cpu_limit))

    @property
    def duckdb_memory_bytes(self) -> int:
        """What DuckDB may hold: Python has its own, and a fifth is left to what DuckDB does not count."""
        return max(SMALLEST_DUCKDB_BYTES, int(self.memory_limit_bytes * 0.8) - _PYTHON_BYTES)

    @property
    def spill_bytes(self) -> int:
        """How much DuckDB may spill."""
        return self.spill_limit_bytes or shutil.disk_usage(self.spill_directory).free // 2


class Settings(DuckDBSettings):
    """What the gateway is given besides."""

    workspace: str
    warehouse: str = "warehouse"
    gateway_token: SecretStr = Field(min_length=16)
    gateway_host: str = "0.0.0.0"  # noqa: S104 - a pod's own network; the token guards it
    gateway_port: int = Field(default=8080, ge=0, le=65535)
    drain_seconds: float = Field(default=25.0, ge=0)
    """How long running statements may continue after SIGTERM; less than the pod's grace period."""
    waiting_statements: int = Field(default=256, ge=0)
    """How many statements may be queued."""
    spark: bool = True
    """Whether the pod has a Spark Connect server."""
    spark_remote: str = "sc://127.0.0.1:15002"
    spark_wait_seconds: float = Field(default=180.0, gt=0)
    """How long a statement waits for Spark to (re)start."""

    @property
    def duckdb_statements(self) -> int:
        """How many statements DuckDB runs at once: they wait for the object store as much as for a processor."""
        return min(32, max(8, 4 * self.threads))

    @property
    def spark_statements(self) -> int:
        """How many statements Spark runs at once: each holds a session of its own."""
        return min(8, max(4, 2 * self.threads))
