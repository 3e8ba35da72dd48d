"""The Icefield that engines come to from outside, as `icefield env` gives it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

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
    folder: Path

    @classmethod
    def of_environment(cls, folder: Path) -> Place:
        """Read POLNOR_API_URL, POLNOR_TOKEN, POLNOR_WORKSPACE_SLUG and SSL_CERT_FILE.

        Raises:
            KeyError: one is missing.
        """
        names = ("POLNOR_API_URL", "POLNOR_TOKEN", "POLNOR_WORKSPACE_SLUG", "SSL_CERT_FILE")
        url, token, workspace, ca_bundle = (os.environ[name] for name in names)
        return cls(url, token, workspace, Path(ca_bundle), folder)

    @property
    def uri(self) -> str:
        """Base of the Iceberg REST protocol."""
        return f"{self.url}/iceberg"

    def trust_store(self) -> Path:
        """Write the authorities as a PKCS 12 file without a password, as Java reads them, and return it."""
        authorities = x509.load_pem_x509_certificates(self.ca_bundle.read_bytes())
        entries = [pkcs12.PKCS12Certificate(each, f"ca-{index}".encode()) for index, each in enumerate(authorities)]
        path = self.folder / "trust.p12"
        path.write_bytes(pkcs12.serialize_java_truststore(entries, NoEncryption()))
        return path

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
