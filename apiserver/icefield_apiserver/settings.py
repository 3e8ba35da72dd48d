"""What the process is told from outside: environment variables with the prefix ICEFIELD_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ObjectStoreSettings(BaseSettings):
    """The platform's own access to the object store (ICEFIELD_OBJECT_STORE_*)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_OBJECT_STORE_")

    provider: str = Field(default="static", description="versitygw, or static where users are managed elsewhere.")
    endpoint: str = Field(description="URL of the store as this process reaches it.")
    external_endpoint: str | None = Field(default=None, description="URL of the store as clients reach it.")
    region: str = "us-east-1"
    bucket: str
    access_key_id: str
    secret_access_key: SecretStr


class StatementSettings(BaseSettings):
    """SQL statements (ICEFIELD_STATEMENT_*)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_STATEMENT_")

    max_per_warehouse: int = Field(
        default=200, ge=1, description="Most statements of one warehouse that a server sees to at once."
    )
    warehouse_start_seconds: float = Field(
        default=600, gt=0, description="How long a statement waits for its warehouse to run."
    )
    warehouse_error_seconds: float = Field(
        default=60, gt=0, description="How long a warehouse may be in error before its statements fail."
    )
    timeout_seconds: int | None = Field(default=12 * 3600, ge=1, description="Longest time of one statement.")
    result_seconds: int = Field(default=24 * 3600, ge=1, description="How long results are kept.")
    lease_seconds: float = Field(
        default=30, gt=0, description="After how long another server takes over what a dead one left."
    )
    silence_seconds: float = Field(
        default=30, gt=0, description="How long a warehouse may be silent before a read is run again."
    )
    write_silence_seconds: float = Field(
        default=300, gt=0, description="How long a warehouse may be silent before a write counts as lost."
    )
    settling_seconds: float = Field(
        default=20, gt=0, description="How long a lost write may still turn up in its tables."
    )


class OpenLineageSettings(BaseSettings):
    """Where lineage is sent (ICEFIELD_OPENLINEAGE_*)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_OPENLINEAGE_")

    url: str | None = Field(default=None, description="Base URL of an OpenLineage receiver; none is told without.")
    endpoint: str = Field(default="api/v1/lineage", description="Path of its events below the URL.")
    api_key: SecretStr | None = Field(default=None, description="Sent as a bearer token.")
    namespace: str = Field(default="icefield", description="What the namespaces of jobs and tables begin with.")


class Settings(BaseSettings):
    """The API server's settings."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_")

    bind: str = Field(default="0.0.0.0:8443", description="host:port to listen on.")
    database_url: SecretStr = Field(description="postgresql+psycopg://..., or sqlite+aiosqlite:///... in tests.")
    database_pool_size: int = Field(default=10, ge=1, description="Most connections to Postgres.")

    session_key: SecretStr = Field(min_length=32, description="Signs log-in tokens (HS256).")
    session_lifetime_seconds: int = Field(default=3600, ge=60, description="How long a log-in token is good.")
    session_renewable_seconds: int = Field(
        default=7 * 86400, description="How long after the log-in a token may still be refreshed."
    )
    run_token_public_key_file: Path = Field(description="PEM of the Ed25519 key that the operator's signs match.")

    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None

    admin_email: str | None = Field(default=None, description="First administrator, made when there is none.")
    admin_password: SecretStr | None = None

    max_body_bytes: int = Field(default=16 * 1024 * 1024, description="Longest request body that is read.")
    max_upload_bytes: int = Field(default=10 * 1024**3, ge=1, description="Longest file that a volume takes.")
    max_artifact_bytes: int = Field(default=1024**3, ge=1, description="Longest program for Spark that is kept.")
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
    statements: StatementSettings = Field(default_factory=StatementSettings)
    openlineage: OpenLineageSettings = Field(default_factory=OpenLineageSettings)
