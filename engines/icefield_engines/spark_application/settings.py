"""Settings of the launcher, from its environment, besides those of every Spark program of ours."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class ApplicationSettings(BaseSettings):
    """Each field is the variable ICEFIELD_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_", extra="ignore", frozen=True)

    application: Path = Path("/etc/icefield/application/application.json")
    """The SparkApplication of the Run, as JSON."""
    catalog_names: str
    """Names of the workspace's catalog in SQL: its slug, then its aliases, separated by commas."""
    run_id: str
    """Public id of the Run; snapshots that the application commits carry it."""
    trust_store: Path = Path("/etc/icefield/ca/ca-bundle.p12")
    """Trust store of the JVM; Java's own when the file does not exist."""
    python: Path = Path(sys.executable)
    """The Python of driver and executors: that of an environment of requirements, or this one."""
    termination_log: Path = Path("/dev/termination-log")
    """Termination log of the container."""

    @property
    def names(self) -> list[str]:
        """Names of the catalog in SQL, the slug first."""
        return self.catalog_names.split(",")
