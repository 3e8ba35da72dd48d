"""The Secrets of an installation, generated once: an existing one is never changed."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from icefield_cluster.install import certificates
from icefield_cluster.install.kubectl import Kubectl

NAMESPACE = "icefield-system"
ADMIN_EMAIL = "admin@icefield.local"
REGION = "us-east-1"
BUCKET = "icefield"

Values = dict[str, str]
Generator = Callable[[Mapping[str, Values]], Values]
"""Generates the values of a Secret, given those of the Secrets before it."""


def generators(object_store_url: str, hosts: list[str], catalog: str) -> dict[str, Generator]:
    """The generator of each Secret, by its name.

    Args:
        object_store_url: URL of the object store for clients outside the cluster.
        hosts: names and addresses of the API server.
        catalog: the Iceberg catalog, embedded or lakekeeper.
    """
    return {
        "icefield-postgres": lambda _: _postgres(),
        "icefield-object-store": lambda _: _object_store(object_store_url),
        "icefield-catalog-server": lambda made: _catalog(catalog, made["icefield-postgres"]),
        "icefield-tls": lambda _: _tls(hosts),
        "icefield-run-token": lambda _: _run_token(),
        "icefield-session": lambda _: {"key": secrets.token_urlsafe(48)},
        "icefield-admin": lambda _: {"email": ADMIN_EMAIL, "password": secrets.token_urlsafe(18)},
    }


def ensure(kubectl: Kubectl, wanted: Mapping[str, Generator], hosts: list[str], log: Path) -> dict[str, Values]:
    """Create the Secrets that are missing, and return the values of all.

    Args:
        kubectl: reaches the cluster.
        wanted: the generator of each Secret.
        hosts: names and addresses of the API server; a certificate without one of them is replaced.
        log: file for kubectl's output, which has no values.

    Raises:
        ClusterError: kubectl failed.
    """
    present = read(kubectl)
    values: dict[str, Values] = {}
    for name, generate in wanted.items():
        values[name] = present.get(name, {})
        if name == "icefield-tls" and values[name] and not certificates.covers(values[name]["tls.crt"], hosts):
            values[name] = {}
        if not values[name]:
            values[name] = generate(values)
            kubectl.run("apply", "--server-side", "-f", "-", stdin=_manifest(name, values[name]), log=log)
    return values


def read(kubectl: Kubectl) -> dict[str, Values]:
    """Every Secret of the platform by name, decoded."""
    items = kubectl.get("secrets", f"--namespace={NAMESPACE}").get("items", [])
    return {
        item["metadata"]["name"]: {key: base64.b64decode(text).decode() for key, text in item.get("data", {}).items()}
        for item in items
    }


def _manifest(name: str, values: Values) -> str:
    labels = {"app.kubernetes.io/part-of": "icefield"}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    # A Secret's `data` needs base64; `stringData` would be a second owner of the same field in a server-side apply.
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def _postgres() -> Values:
    host, password = f"icefield-postgres.{NAMESPACE}.svc", secrets.token_urlsafe(24)
    return {
        "host": host,
        "port": "5432",
        "database": "icefield",
        "username": "icefield",
        "password": password,
        "url": f"postgresql+psycopg://icefield:{password}@{host}:5432/icefield",
    }


def _object_store(external_url: str) -> Values:
    return {
        "provider": "versitygw",
        "endpoint": f"http://icefield-object-store.{NAMESPACE}.svc:7070",
        "externalEndpoint": external_url,
        "region": REGION,
        "bucket": BUCKET,
        "accessKeyId": f"icefield{secrets.token_hex(6)}",
        "secretAccessKey": secrets.token_urlsafe(30),
    }


def _catalog(provider: str, postgres: Values) -> Values:
    base = f"http://icefield-catalog.{NAMESPACE}.svc:8181"
    access = f"{postgres['username']}:{postgres['password']}@{postgres['host']}:{postgres['port']}"
    return {
        "provider": provider,
        "uri": f"{base}/catalog",
        "managementUri": base,
        # Lakekeeper needs none: its NetworkPolicy restricts access.
        "adminToken": secrets.token_urlsafe(32) if provider == "embedded" else "",
        "encryptionKey": secrets.token_urlsafe(32),
        # For Lakekeeper; the embedded catalog has a schema of its own in the platform's database.
        "databaseUrl": f"postgresql://{access}/catalog",
    }


def _tls(hosts: list[str]) -> Values:
    issued = certificates.issue(hosts)
    return {"tls.crt": issued.certificate, "tls.key": issued.key, "ca.crt": issued.ca}


def _run_token() -> Values:
    private, public = certificates.signing_key_pair()
    return {"private.pem": private, "public.pem": public}


def api_hosts(*addresses: str) -> list[str]:
    """Host names and addresses of the API server: in the cluster, on this machine, and the given ones."""
    inside = [f"icefield-apiserver{suffix}" for suffix in ("", f".{NAMESPACE}", f".{NAMESPACE}.svc")]
    names = [*inside, f"{inside[-1]}.cluster.local", "localhost", "127.0.0.1", *addresses]
    return list(dict.fromkeys(name for name in names if name))
