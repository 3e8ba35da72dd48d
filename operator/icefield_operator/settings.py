"""The operator's configuration, from environment variables ICEFIELD_… and mounted Secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from icefield_crds import CatalogProvider
from icefield_kube.settings import MountedSettings

from .catalog.access import CatalogConfig
from .objectstore.config import Credentials, ObjectStoreConfig, Provider


class ObjectStoreSettings(MountedSettings):
    """The platform's object store (variables ICEFIELD_OBJECT_STORE_…)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_OBJECT_STORE_", extra="ignore", frozen=True)

    provider: Provider = Provider.STATIC
    endpoint: str
    """URL as pods reach it."""
    region: str = "us-east-1"
    bucket: str
    access_key_id: str
    secret_access_key: SecretStr

    def config(self) -> ObjectStoreConfig:
        """Return the configuration of the objectstore package."""
        return ObjectStoreConfig(
            provider=self.provider,
            endpoint=self.endpoint,
            region=self.region,
            bucket=self.bucket,
            credentials=Credentials(self.access_key_id, self.secret_access_key.get_secret_value()),
        )


class CatalogSettings(MountedSettings):
    """The Iceberg catalog that the platform was installed with (variables ICEFIELD_CATALOG_…)."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_CATALOG_", extra="ignore", frozen=True)

    provider: CatalogProvider | None = None
    """Without one, each workspace names a catalog of its own."""
    uri: str = ""
    """Base of the Iceberg REST protocol, as pods reach it."""
    management_uri: str = ""
    """Where catalogs are created and deleted (embedded, lakekeeper)."""
    admin_token: SecretStr = SecretStr("")
    """Token of the management API; empty when it needs none."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.provider is not None and not self.uri:
            raise ValueError(f"provider {self.provider} needs ICEFIELD_CATALOG_URI")
        if self.provider in (CatalogProvider.EMBEDDED, CatalogProvider.LAKEKEEPER) and not self.management_uri:
            raise ValueError(f"provider {self.provider} needs ICEFIELD_CATALOG_MANAGEMENT_URI")
        return self

    def config(self) -> CatalogConfig:
        """Return the configuration of the catalog package."""
        token = self.admin_token.get_secret_value()
        return CatalogConfig(self.provider, self.uri.rstrip("/"), self.management_uri.rstrip("/"), token)


class Settings(BaseSettings):
    """Everything else; each field is the variable ICEFIELD_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_", extra="ignore", frozen=True)

    runtime_image: str
    """The image of tasks that name none; it has tini at /usr/bin/tini."""
    tini_image: str
    """The image whose tini is copied into pods of any other image."""
    warehouse_image: str
    """The image of warehouses: gateway, Spark Connect and Spark's executors."""
    polars_image: str
    """The image of the sandboxes in which Polars workloads run."""
    polars_cloud_image: str
    """The image of those that drive Polars Cloud, whose client needs a Polars of its own."""
    package_index: str | None = None
    """URL of the Python package index that environments of requirements are built from; uv's default when absent."""
    package_index_ca_file: Path | None = None
    """The CA (PEM) that signed the package index's certificate, when it is none of the system's."""
    image_pull_policy: str = "IfNotPresent"
    api_url: str = "https://icefield-apiserver.icefield-system.svc"
    """Where tasks find our REST API."""
    tls_ca_file: Path | None = None
    """The CA (PEM) that signed the REST API's certificate."""
    run_token_private_key_file: Path
    """Ed25519 private key (PKCS 8 PEM) that signs the tokens of runs."""
    workers: int = Field(default=16, ge=1, le=256)
    """How many resources are reconciled at once."""
    resync_seconds: float = Field(default=300.0, gt=0)
    """How often everything is listed again and reconciled."""
    watch_age_limit_seconds: float = Field(default=900.0, gt=0)
    """For how long a watch may give no sign of life before liveness fails; more than two resyncs."""
    health_port: int = Field(default=8080, ge=0, le=65535)
    log_level: str = "INFO"
    pod_name: str = ""
    """The pod that this process runs in; empty outside of one."""
    lease_name: str = "icefield-operator-leader"
    """The Lease in icefield-system whose holder acts; other operators stand by."""
    lease_seconds: float = Field(default=10.0, ge=1)
    """How long another operator waits for one that has ended without a word."""
