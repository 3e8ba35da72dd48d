"""The Icefield that engines come to from outside, as `icefield env` gives it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import httpx

DATABASE = "engines_from_outside"


@dataclass(frozen=True)
class Place:
    """A workspace at /iceberg.

    Attributes:
        url: of the API, without a path.
        token: API key.
        workspace: slug.
        ca_bundle: PEM file of the authorities that the API's certificate is checked against.
        folder: for files that engines need; removed at the end.
    """

    url: str
    token: str = field(repr=False)
    workspace: str
    ca_bundle: Path
    trust_store: Path
    folder: Path

    @classmethod
    def of_environment(cls, folder: Path) -> Place:
        """Read what `icefield env` prints.

        Raises:
            KeyError: one is missing.
        """
        names = ("POLNOR_API_URL", "POLNOR_TOKEN", "POLNOR_WORKSPACE_SLUG")
        url, token, workspace = (os.environ[name] for name in names)
        authorities = (Path(os.environ[name]) for name in ("SSL_CERT_FILE", "ICEFIELD_TRUST_STORE"))
        return cls(url, token, workspace, *authorities, folder)

    @property
    def uri(self) -> str:
        """Base of the Iceberg REST protocol."""
        return f"{self.url}/iceberg"

    def make_database(self) -> None:
        """Create the database of the tables, unless it exists."""
        answer = self._client().post("/api/v1/databases", json={"name": DATABASE})
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()

    def keys_of(self, table: str) -> dict[str, str]:
        """Make a table of the database, drop it, and return the `config` with what would open its files."""
        schema = {"type": "struct", "fields": [{"id": 1, "name": "id", "type": "long", "required": False}]}
        answer = self._client().post(self._tables, json={"name": table, "schema": schema})
        config: dict[str, str] = answer.raise_for_status().json()["config"]
        self.drop(table)
        return config

    def drop(self, table: str) -> None:
        """Drop a table of the database; without effect when there is none."""
        answer = self._client().delete(f"{self._tables}/{table}", params={"purgeRequested": "true"})
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    @property
    def _tables(self) -> str:
        return f"/iceberg/v1/{self.workspace}/namespaces/{DATABASE}/tables"

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)
