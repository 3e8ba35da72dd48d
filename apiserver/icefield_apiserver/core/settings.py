"""Configuration of the process: environment variables with the prefix ICEFIELD_, and mounted Secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from icefield_kube.settings import MountedSettings

Networks = Annotated[
    tuple[IPvAnyNetwork, ...],
    NoDecode,
    BeforeValidator(
        lambda value: [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value
    ),
]
"""Networks (CIDR), separated by commas in the environment."""


class ObjectStoreSettings(MountedSettings):
    """The platform's own access to the object store (ICEFIELD_OBJECT_STORE_*)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_OBJECT_STORE_")

    provider: str = Field(default="static", description="versitygw, or static where users are managed elsewhere.")
    endpoint: str = Field(description="URL of the store as this process reaches it.")
    external_endpoint: str | None = Field(default=None, description="URL of the store as clients reach it.")
    sts_endpoint: str | None = Field(
        default=None, description="URL of the store's STS, which gives out keys that end; absent where it has none."
    )
    region: str = "us-east-1"
    bucket: str
    access_key_id: str
    secret_access_key: SecretStr


class StatementSettings(BaseSettings):
    """SQL statements (ICEFIELD_STATEMENT_*)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_STATEMENT_")

    max_per_warehouse: int = Field(
        default=200, ge=1, description="Maximum number of statements of one warehouse that a server runs concurrently."
    )
    warehouse_start_seconds: float = Field(
        default=600, gt=0, description="How long a statement waits for its warehouse to run."
    )
    warehouse_error_seconds: float = Field(
        default=60, gt=0, description="How long a warehouse may be in error before its statements fail."
    )
    timeout_seconds: int | None = Field(default=12 * 3600, ge=1, description="Maximum duration of a statement.")
    result_seconds: int = Field(default=24 * 3600, ge=1, description="Time for which results are kept.")
    lease_seconds: float = Field(
        default=30, gt=0, description="Time after which another server adopts the statements of a dead one."
    )
    silence_seconds: float = Field(
        default=30, gt=0, description="Time without a response of a warehouse after which a read is run again."
    )
    write_silence_seconds: float = Field(
        default=300, gt=0, description="Time without a response of a warehouse after which a write counts as lost."
    )
    settling_seconds: float = Field(
        default=20, gt=0, description="Time in which a lost write may still be committed to its tables."
    )


class RetentionSettings(BaseSettings):
    """What is too old to be kept (ICEFIELD_RETENTION_*); how old that is says Workspace.spec.retention."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_RETENTION_")

    max_ended_runs: int = Field(
        default=10_000, ge=0, description="Maximum number of ended runs in Kubernetes, over all workspaces."
    )
    interval_seconds: float = Field(default=60, gt=0, description="Time between two passes over runs and records.")
    log_interval_seconds: float = Field(default=3600, gt=0, description="Time between two passes over logs.")


class OpenLineageSettings(MountedSettings):
    """The receiver of OpenLineage events (ICEFIELD_OPENLINEAGE_*)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_OPENLINEAGE_")

    url: str | None = Field(default=None, description="Base URL of an OpenLineage receiver; no events when None.")
    endpoint: str = Field(default="api/v1/lineage", description="Path of its events below the URL.")
    api_key: SecretStr | None = Field(default=None, description="Sent as a bearer token.")
    namespace: str = Field(default="icefield", description="Prefix of the namespaces of jobs and tables.")


class Settings(MountedSettings):
    """The API server's settings."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_")

    bind: str = Field(default="0.0.0.0:8443", description="host:port to listen on.")
    database_url: SecretStr = Field(description="postgresql+psycopg://..., or sqlite+aiosqlite:///... in tests.")
    database_pool_size: int = Field(default=10, ge=1, description="Maximum number of connections to Postgres.")

    session_key: SecretStr = Field(min_length=32, description="Signs log-in tokens (HS256).")
    session_lifetime_seconds: int = Field(default=3600, ge=60, description="Validity of a log-in token.")
    session_renewable_seconds: int = Field(
        default=7 * 86400, description="Time after the log-in in which a token may be refreshed."
    )
    run_token_public_key_file: Path = Field(description="PEM of the public Ed25519 key that verifies run tokens.")

    trusted_proxies: Networks = Field(
        default=(), description="Networks of the proxies whose X-Forwarded-For says from where a request comes."
    )
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None

    admin_email: str | None = Field(default=None, description="First administrator, created when there is none.")
    admin_password: SecretStr | None = None

    drain_seconds: float = Field(
        default=0.0, ge=0, le=10, description="How long requests are served after SIGTERM, until none are sent here."
    )
    max_upload_bytes: int = Field(default=10 * 1024**3, ge=1, description="Maximum size of a file in a volume.")
    max_artifact_bytes: int = Field(default=1024**3, ge=1, description="Maximum size of a Spark artifact.")
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
    statements: StatementSettings = Field(default_factory=StatementSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    openlineage: OpenLineageSettings = Field(default_factory=OpenLineageSettings)
