"""The agent's configuration, from environment variables ICEFIELD_…."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AgentSettings(BaseSettings):
    """Each field is the variable ICEFIELD_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ICEFIELD_", extra="ignore", frozen=True)

    node_name: str
    """The node that the agent runs on."""
    pod_logs: Path = Path("/var/log/pods")
    """The node's folder of pods' logs, as the agent sees it."""
    log_bytes_per_second: int = Field(default=8 * 1024 * 1024, ge=1024)
    """How much of the log files of one run is read in a second, so that those of others are read, too."""
    log_backlog_bytes: int = Field(default=2 * 1024**3, ge=32 * 1024**2)
    """How many bytes of log files, deleted ones included, may wait to be read on this node."""
    health_port: int = Field(default=8080, ge=0, le=65535)
    log_level: str = "INFO"
