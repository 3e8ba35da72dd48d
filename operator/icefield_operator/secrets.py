"""Reads Secrets."""

from __future__ import annotations

import base64

from icefield_kube.client import Manifest

from .cluster import Cluster


async def read_secret(cluster: Cluster, namespace: str, name: str) -> dict[str, str] | None:
    """Return the decoded keys of a Secret, or None when there is none; a value that is not ASCII text is left out."""
    secret = await cluster.get("Secret", namespace, name)
    return None if secret is None else decode_secret(secret)


def decode_secret(secret: Manifest) -> dict[str, str]:
    """Return the decoded keys of a Secret; a value that is not ASCII text is left out."""
    decoded = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
    return {key: value.decode() for key, value in decoded.items() if value.isascii()}
