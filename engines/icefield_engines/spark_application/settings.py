"""What the launcher is told by the environment of its container, besides what any Spark of ours is told."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ApplicationSettings(BaseSettings):
    """Each field is the variable ICEFIELD_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_", extra="ignore", frozen=True)

    application: Path = Path("/etc/icefield/application/application.json")
    """The SparkApplication of the Run, as JSON."""
    catalog_names: str
    """What SQL calls the workspace's catalog: its slug, then its aliases, with commas between."""
    run_id: str
    """Public id of the Run; snapshots that the application commits carry it."""
    trust_store: Path = Path("/etc/icefield/ca/ca-bundle.p12")
    """Whom a JVM trusts; when there is no such file, whom Java's own installation trusts."""
    termination_log: Path = Path("/dev/termination-log")
    """Where Kubernetes looks for why a container ended."""

    @property
    def names(self) -> list[str]:
        """What SQL calls the catalog, the slug first."""
        return self.catalog_names.split(",")
