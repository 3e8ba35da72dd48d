"""The bearer token of each sandbox: derived from its name, so it is stored nowhere."""

from __future__ import annotations

import hashlib
import hmac

from icefield_operator.run_token import RunTokenSigner

PURPOSE = b"icefield sandbox token"


class SandboxTokens:
    """Makes the tokens with which we call sandboxes; a pod is given only the digest of its own."""

    def __init__(self, signer: RunTokenSigner) -> None:
        """Derive the key of all tokens from the one that signs those of runs."""
        self._key = signer.derive_key(PURPOSE)

    @property
    def generation(self) -> str:
        """Changes with the key: the tokens of pods created before are invalid then."""
        return digest(self._of(b""))[:16]

    def of(self, namespace: str, pod: str) -> str:
        """Return the token of a sandbox."""
        return self._of(f"{namespace}/{pod}".encode())

    def _of(self, name: bytes) -> str:
        return hmac.new(self._key, name, hashlib.sha256).hexdigest()


def digest(token: str) -> str:
    """Return what a sandbox knows of its token: the SHA-256, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()
