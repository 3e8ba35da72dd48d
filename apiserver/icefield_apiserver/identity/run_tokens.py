"""Run tokens: JWTs that the operator signs (Ed25519) for the pods of one run; here they are only verified."""

from __future__ import annotations

from pathlib import Path

import jwt

from icefield_crds import Role
from icefield_crds.wire.run_token import ALGORITHM, AUDIENCE, ISSUER, REQUIRED_CLAIMS, RunClaims


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
        """Return the claims of a token; None when the operator did not sign it, or it has expired."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": list(REQUIRED_CLAIMS)},
            )
            granted = RunClaims.from_json(claims)
            Role(granted.role)
        except (jwt.InvalidTokenError, ValueError):
            return None
        return granted
