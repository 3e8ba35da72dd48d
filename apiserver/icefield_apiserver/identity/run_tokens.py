"""Run tokens: JWTs that the operator signs (Ed25519) for the pods of one run; here they are only verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jwt

from icefield_crds import Role

ISSUER = "icefield-operator"
AUDIENCE = "icefield"
ALGORITHM = "EdDSA"
CATALOG_SCOPE = "catalog"
"""In the claim `scope`, which other tokens do not have: it opens /iceberg only."""
_REQUIRED = ["sub", "iat", "exp", "iss", "aud", "workspace", "run", "run_uid", "role"]


@dataclass(frozen=True)
class RunClaims:
    """What a run's token says.

    Attributes:
        workspace: slug.
        run: name of the Run.
        run_uid: its metadata.uid.
        role: what the token may do.
        is_catalog_only: whether it opens the catalog and nothing else, as those of sandboxes.
    """

    workspace: str
    run: str
    run_uid: str
    role: Role
    is_catalog_only: bool = False


class RunTokens:
    """Reads run tokens.

    Args:
        public_key: the operator's public key, as PEM (SPKI).
    """

    def __init__(self, public_key: str) -> None:
        self._key = public_key

    @classmethod
    def from_file(cls, path: Path) -> RunTokens:
        """Return the reader for the key in a file.

        Raises:
            OSError: the file cannot be read.
        """
        return cls(path.read_text())

    def read(self, token: str) -> RunClaims | None:
        """Return what a token says; None when the operator did not sign it, or it has expired."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED},
            )
            scope = claims.get("scope")
            if claims["sub"] != f"run:{claims['run_uid']}" or scope not in (None, CATALOG_SCOPE):
                return None
            return RunClaims(
                str(claims["workspace"]),
                str(claims["run"]),
                str(claims["run_uid"]),
                Role(claims["role"]),
                is_catalog_only=scope == CATALOG_SCOPE,
            )
        except (jwt.InvalidTokenError, ValueError):
            return None
