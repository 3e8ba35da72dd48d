"""The claims of a run's token: a JWT that the operator signs (Ed25519) and the API server verifies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .fields import optional_integer, optional_text, text

ALGORITHM = "EdDSA"
ISSUER = "icefield-operator"
AUDIENCE = "icefield"
CATALOG_SCOPE = "catalog"
"""Of the claim `scope`, which other tokens do not have: the token opens the catalog and nothing else."""
REQUIRED_CLAIMS = ("sub", "iat", "exp", "iss", "aud", "workspace", "run", "run_uid", "role")


@dataclass(frozen=True)
class RunClaims:
    """What a run's token grants.

    Attributes:
        workspace: slug.
        run: name of the Run.
        run_uid: its metadata.uid.
        role: role in the workspace.
        is_catalog_only: whether it opens the catalog and nothing else, as the tokens of sandboxes.
        task: key of the task whose token it is; None for one that is the whole run's.
        attempt: number of the task's attempt, from 0.
    """

    workspace: str
    run: str
    run_uid: str
    role: str
    is_catalog_only: bool = False
    task: str | None = None
    attempt: int = 0

    def to_json(self, issued_at: datetime, lifetime: timedelta) -> dict[str, Any]:
        """Return the claims of a token that is valid from `issued_at` on for `lifetime`."""
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": _subject(self.run_uid),
            "workspace": self.workspace,
            "run": self.run,
            "run_uid": self.run_uid,
            "role": self.role,
            "iat": issued_at,
            "exp": issued_at + lifetime,
        }
        if self.is_catalog_only:
            claims["scope"] = CATALOG_SCOPE
        return claims if self.task is None else {**claims, "task": self.task, "attempt": self.attempt}

    @classmethod
    def from_json(cls, claims: Mapping[str, Any]) -> RunClaims:
        """Return what verified claims grant.

        Raises:
            ValueError: they are not of a run's token, or have a scope that is not known.
        """
        run_uid, scope = text(claims, "run_uid"), claims.get("scope")
        if claims.get("sub") != _subject(run_uid):
            raise ValueError("sub must be the run's")
        if scope not in (None, CATALOG_SCOPE):
            raise ValueError("scope is not known")
        return cls(
            workspace=text(claims, "workspace"),
            run=text(claims, "run"),
            run_uid=run_uid,
            role=text(claims, "role"),
            is_catalog_only=scope == CATALOG_SCOPE,
            task=optional_text(claims, "task"),
            attempt=optional_integer(claims, "attempt") or 0,
        )


def _subject(run_uid: str) -> str:
    return f"run:{run_uid}"
