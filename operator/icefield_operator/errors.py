"""What can go wrong between the operator and Kubernetes, and whether trying again may help."""

from __future__ import annotations

import json
from collections.abc import Mapping

_RETRYABLE_STATUSES = frozenset({408, 409, 410, 425, 429})


class KubernetesError(Exception):
    """The Kubernetes API refused a request."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        """Keep the HTTP status, the API's own sentence, and how many seconds it asks us to wait."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later, without anybody changing anything."""
        return self.status in _RETRYABLE_STATUSES or self.status >= 500

    @staticmethod
    def of(status: int, body: str, headers: Mapping[str, str]) -> KubernetesError:
        """Return the error for an HTTP answer of 400 or above."""
        message, reason = body.strip()[:500] or f"HTTP {status}", ""
        try:
            answer = json.loads(body)
            message, reason = answer.get("message") or message, answer.get("reason", "")
        except (ValueError, AttributeError):
            pass
        wait = headers.get("Retry-After", "")
        retry_after = float(wait) if wait.isdigit() else None
        return _class_of(status, reason)(status, message, retry_after)


class NotFound(KubernetesError):  # noqa: N818 - named as the API's reason
    """There is no such object."""


class AlreadyExists(KubernetesError):  # noqa: N818
    """An object of this name is there already."""


class Conflict(KubernetesError):  # noqa: N818
    """The object changed meanwhile, or a precondition does not hold."""


class Forbidden(KubernetesError):  # noqa: N818
    """The operator may not do this, or the namespace is going away."""


class Invalid(KubernetesError):  # noqa: N818
    """The API server found the object wrong; it will again."""


class Unreachable(KubernetesError):  # noqa: N818
    """No answer: the connection failed or took too long. Whether a write was done is unknown."""

    def __init__(self, message: str) -> None:
        """Keep what happened."""
        super().__init__(503, message)


_BY_STATUS: dict[int, type[KubernetesError]] = {403: Forbidden, 404: NotFound, 409: Conflict, 422: Invalid}


def _class_of(status: int, reason: str) -> type[KubernetesError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    return _BY_STATUS.get(status, KubernetesError)
