"""Log-in tokens: short-lived JWTs, signed with a key that all replicas share (HS256)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt

ISSUER = "icefield-apiserver"
AUDIENCE = "icefield-session"
ALGORITHM = "HS256"
_REQUIRED = ["sub", "iat", "exp", "iss", "aud", "auth_time", "epoch"]


@dataclass(frozen=True)
class Session:
    """The claims of a log-in token.

    Attributes:
        user_id: id of the user.
        epoch: the user's session_epoch when it was issued.
        started: when the log-in happened, in seconds since the epoch; refreshing keeps it.
    """

    user_id: str
    epoch: int
    started: int


class SessionTokens:
    """Issues and reads log-in tokens.

    Args:
        key: the shared secret.
        lifetime_seconds: how long a token is valid.
        clock: the current time in seconds since the epoch.
    """

    def __init__(self, key: str, lifetime_seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self.lifetime_seconds = lifetime_seconds

    def issue(self, user_id: str, epoch: int, started: int | None = None) -> str:
        """Return a token that is valid from now on.

        Args:
            user_id: id of the user.
            epoch: the user's session_epoch.
            started: when the log-in happened, in seconds since the epoch; now when None.
        """
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "iat": now,
            "exp": now + self.lifetime_seconds,
            "auth_time": started if started is not None else now,
            "epoch": epoch,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def read(self, token: str) -> Session | None:
        """Return the claims of a token; None when its signature is not ours or it has expired."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _REQUIRED},
            )
            return Session(str(claims["sub"]), int(claims["epoch"]), int(claims["auth_time"]))
        except (jwt.InvalidTokenError, ValueError, TypeError):
            return None
