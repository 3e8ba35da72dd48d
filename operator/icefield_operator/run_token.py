"""A run's own token: the credential of the SDK inside a task.

It is a JWT, signed with an Ed25519 key of which the API server knows only the public half. It names one run of one
workspace; the API server accepts it only while that run lives, so `exp` is only an upper bound.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from icefield_crds import Run
from icefield_crds.wire.run_token import ALGORITHM, RunClaims

ROLE = "editor"
LONGEST_LIFE = timedelta(days=366)
DERIVED_KEY_BYTES = 32


class RunTokenSigner:
    """Signs the tokens of runs."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        """Sign with this key."""
        self._key = private_key

    @classmethod
    def from_file(cls, path: Path) -> RunTokenSigner:
        """Read the key from a PKCS 8 PEM file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not an Ed25519 private key.
        """
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 private key")
        return cls(key)

    def derive_key(self, purpose: bytes) -> bytes:
        """Return a key for another purpose (HKDF, RFC 5869), the same each time."""
        own = self._key.private_bytes_raw()
        return HKDF(algorithm=SHA256(), length=DERIVED_KEY_BYTES, salt=None, info=purpose).derive(own)

    def sign(self, run: Run, workspace: str, now: datetime) -> str:
        """Return the token of a run in the workspace with this slug, valid from now on."""
        return self._sign(_claims(run, workspace), now, LONGEST_LIFE)

    def sign_for_attempt(self, run: Run, task: str, attempt: int, workspace: str, now: datetime) -> str:
        """Return the token of one attempt of a task, given its key: lineage keeps apart what each reads and writes."""
        return self._sign(replace(_claims(run, workspace), task=task, attempt=attempt), now, LONGEST_LIFE)

    def sign_for_catalog(self, run: Run, workspace: str, now: datetime, life: timedelta) -> str:
        """Return a token of a run that grants access to the catalog only, for this long."""
        return self._sign(replace(_claims(run, workspace), is_catalog_only=True), now, life)

    def _sign(self, claims: RunClaims, now: datetime, life: timedelta) -> str:
        return jwt.encode(claims.to_json(now, life), self._key, algorithm=ALGORITHM)


def _claims(run: Run, workspace: str) -> RunClaims:
    return RunClaims(workspace, run.metadata.name, run.metadata.uid, ROLE)
