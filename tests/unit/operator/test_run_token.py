"""The run's own token."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from icefield_crds import Run
from icefield_operator.run_token import RunTokenSigner

RUN = Run.model_validate({"metadata": {"name": "daily-1", "uid": "u-1"}, "spec": {"command": "true"}})


def test_the_public_key_verifies_what_the_private_one_signed() -> None:
    key = Ed25519PrivateKey.generate()
    now = datetime.now(UTC)
    token = RunTokenSigner(key).sign(RUN, "demo", now)
    claims = jwt.decode(token, key.public_key(), algorithms=["EdDSA"], audience="icefield", issuer="icefield-operator")
    expiry = claims.pop("exp")
    assert claims == {
        "iss": "icefield-operator",
        "aud": "icefield",
        "sub": "run:u-1",
        "workspace": "demo",
        "run": "daily-1",
        "run_uid": "u-1",
        "role": "editor",
        "iat": int(now.timestamp()),
    }
    assert expiry > now.timestamp()


def test_the_token_of_an_attempt_names_it() -> None:
    key = Ed25519PrivateKey.generate()
    token = RunTokenSigner(key).sign_for_attempt(RUN, "ingest", 2, "demo", datetime.now(UTC))
    claims = jwt.decode(token, key.public_key(), algorithms=["EdDSA"], audience="icefield", issuer="icefield-operator")
    assert (claims["run_uid"], claims["task"], claims["attempt"]) == ("u-1", "ingest", 2)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "private.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="no Ed25519 private key"):
        RunTokenSigner.from_file(path)
