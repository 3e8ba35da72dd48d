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
    object_store: ObjectStoreSettings = Field(default_factory=ObjectStoreSettings)
