"""The sandbox's settings, read from the environment without any library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
GIB = 1024 * MIB
_TOKEN_VARIABLE = "ICEFIELD_SANDBOX_TOKEN_SHA256"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class Settings:
    """Each field is the variable ICEFIELD_<NAME>, but for the port's and host's, which begin ICEFIELD_SANDBOX_."""

    token_sha256: str
    """Hex SHA-256 of the bearer token that callers must know."""
    vcpus: int
    memory_limit_bytes: int
    max_processes: int
    max_output_bytes: int
    disk_limit_bytes: int
    host: str
    port: int
    scratch: Path
    """The one directory that can be written to."""
    termination_log: Path
    linger_seconds: float
    """How long an outcome is served that is not acknowledged."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings of an environment.

        Raises:
            ValueError: a variable is missing or is no number.
        """
        if not environment.get(_TOKEN_VARIABLE):
            raise ValueError(f"{_TOKEN_VARIABLE} must be set")
        vcpus = int(environment.get("ICEFIELD_VCPUS", "2"))
        return cls(
            token_sha256=environment[_TOKEN_VARIABLE],
            vcpus=vcpus,
            memory_limit_bytes=int(environment.get("ICEFIELD_MEMORY_LIMIT_BYTES", str(2 * GIB * vcpus))),
            max_processes=int(environment.get("ICEFIELD_MAX_PROCESSES", "256")),
            max_output_bytes=int(environment.get("ICEFIELD_MAX_OUTPUT_BYTES", str(16 * MIB))),
            disk_limit_bytes=int(environment.get("ICEFIELD_DISK_LIMIT_BYTES", str(8 * GIB))),
            host=environment.get("ICEFIELD_SANDBOX_HOST", "0.0.0.0"),  # noqa: S104 - the pod's own; the token guards it
            port=int(environment.get("ICEFIELD_SANDBOX_PORT", "8080")),
            scratch=Path(environment.get("ICEFIELD_SCRATCH", "/tmp")),  # noqa: S108 - the pod's own volume
            termination_log=Path(environment.get("ICEFIELD_TERMINATION_LOG", "/dev/termination-log")),
            linger_seconds=float(environment.get("ICEFIELD_LINGER_SECONDS", "30")),
        )


def for_worker(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that the worker may see."""
    seen = {name: value for name, value in environment.items() if name != _TOKEN_VARIABLE}
    return {**seen, "POLARS_ICEBERG_PLANNER": "pyiceberg"}  # else Polars prints that a plug-in is missing


def size(count: int) -> str:
    """Return a number of bytes as a Kubernetes quantity, such as 4Gi."""
    for unit, name in ((GIB, "Gi"), (MIB, "Mi"), (1024, "Ki")):
        if count >= unit:
            return f"{count / unit:.4g}{name}"
    return f"{count}"
