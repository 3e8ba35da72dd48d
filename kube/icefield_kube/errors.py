"""What can go wrong between us and the Kubernetes API, whether a retry may help, and the sentence for a REST caller.

Kubernetes answers a refused request with a `Status` object (metav1.Status); its causes carry the messages of the
schema's CEL rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from icefield_crds.stored_size import ETCD_REQUEST_BYTES

_RETRYABLE_STATUSES = frozenset({408, 409, 410, 425, 429})
_MAX_MESSAGE_LENGTH = 500
_VALUE = re.compile(r'^(?:Invalid|Unsupported|Duplicate|Forbidden|Required)(?: value)?: (?:"(?:[^"\\]|\\.)*"|[^:"]*): ')
_CANNOT = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"')
_TOO_LARGE = re.compile(r"request is too large|trying to send message larger than max|entity too large", re.IGNORECASE)
"""etcd's answer beyond 1.5 MiB, its client's beyond 2 MiB (both as status 500), the API server's own beyond 3 MiB."""
TOO_LARGE = (
    f"This is larger than the {ETCD_REQUEST_BYTES} bytes that the cluster can store; put large values into the object "
    "store."
)
_UNCHECKED = "some validation rules were not checked"


class KubernetesError(Exception):
    """The Kubernetes API refused a request.

    Attributes:
        status: HTTP status.
        message: what the API answered.
        reason: metav1.Status.reason, such as `AlreadyExists`; empty when the answer had none.
        details: metav1.Status.details.
        retry_after: how many seconds the API asks to wait before a retry.
    """

    def __init__(
        self,
        status: int,
        message: str,
        retry_after: float | None = None,
        *,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.details = details or {}
        self.retry_after = retry_after

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change by anybody."""
        return not self.is_too_large and (self.status in _RETRYABLE_STATUSES or self.status >= 500)

    @property
    def is_refusal(self) -> bool:
        """Whether the API answered that it did nothing; no answer, a timeout, or 500 and above leave that open."""
        return self.status < 500 and self.status != 408

    @property
    def is_too_large(self) -> bool:
        """Whether the object is larger than the cluster can store."""
        return self.status == 413 or bool(_TOO_LARGE.search(self.message))

    @staticmethod
    def of(status: int, body: str | bytes | None, headers: Mapping[str, str] | None = None) -> KubernetesError:
        """Return the error for an HTTP answer of 300 or above.

        Args:
            status: HTTP status.
            body: usually a metav1.Status as JSON; a proxy may have sent anything.
            headers: response headers, for Retry-After.
        """
        answer = _parse(body)
        text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
        message = str(answer.get("message") or "") or text.strip()[:_MAX_MESSAGE_LENGTH] or f"HTTP {status}"
        reason, wait = str(answer.get("reason") or ""), (headers or {}).get("Retry-After", "")
        details = answer.get("details")
        return _class_of(status, reason)(
            status,
            message,
            float(wait) if wait.isdigit() else None,
            reason=reason,
            details=details if isinstance(details, dict) else None,
        )


class NotFound(KubernetesError):  # noqa: N818 - named as the API's reason
    """There is no such object."""

    def names(self, name: str) -> bool:
        """Return whether the answer is about the object of this name.

        It is not where its kind is not served for the moment, or a proxy has answered: then the object may exist.
        """
        return self.details.get("name") == name


class AlreadyExists(KubernetesError):  # noqa: N818
    """An object of this name exists already."""


class Conflict(KubernetesError):  # noqa: N818
    """The object changed meanwhile, or a precondition does not hold."""


class Forbidden(KubernetesError):  # noqa: N818
    """Not permitted, or the namespace is being deleted."""


class Invalid(KubernetesError):  # noqa: N818
    """The object does not validate; a retry cannot help."""


class Gone(KubernetesError):  # noqa: N818
    """The resourceVersion to watch from, or to continue a list at, has expired: list again."""


class Unreachable(KubernetesError):  # noqa: N818
    """No answer: the connection failed or timed out. Whether a write was done is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)


_BY_STATUS: dict[int, type[KubernetesError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}


def _class_of(status: int, reason: str) -> type[KubernetesError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    return _BY_STATUS.get(status, KubernetesError)


def rest_answer(error: KubernetesError) -> tuple[int, str]:
    """Return the HTTP status and the sentence with which a REST call reports an error of Kubernetes."""
    if error.is_too_large:
        return 400, TOO_LARGE
    if error.status in (400, 422):
        return 400, _invalid(error)
    if error.status == 403:
        return _forbidden(error.message)
    if error.status == 404:
        return 404, f"There is no {_object_name(error.details)}."
    if isinstance(error, AlreadyExists):
        return 409, f"There already is a {_object_name(error.details)}."
    if error.status == 409:
        return 409, f"The {_object_name(error.details)} was changed by someone else in the meantime; try again."
    return 503, "The cluster did not answer as it should; try again shortly."


def _parse(body: str | bytes | None) -> dict[str, Any]:
    try:
        parsed = json.loads(body or "{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _invalid(error: KubernetesError) -> str:
    causes = [cause for cause in error.details.get("causes") or [] if _UNCHECKED not in cause.get("message", "")]
    if not causes:
        return _sentence(error.message)
    field = str(causes[0].get("field", "")).removeprefix("<nil>")
    message = _VALUE.sub("", str(causes[0].get("message", "")))
    message = message.removeprefix(f"{field} in body ") if field else message
    is_object = field in ("", "spec")
    return _sentence(message if is_object else f"{field.removeprefix('spec.')}: {message}")


def _forbidden(message: str) -> tuple[int, str]:
    found = _CANNOT.search(message)
    if not found:
        return 403, "Your role does not permit this."
    if found["verb"] == "impersonate":
        return 503, "The workspace is not ready yet; try again shortly."
    return 403, f"Your role does not permit to {found['verb']} {found['resource']} in this workspace."


def _object_name(details: Mapping[str, Any]) -> str:
    kind = str(details.get("kind") or "resource").removesuffix("s").lower()
    name = details.get("name")
    return f"{kind} named {name}" if name else kind


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].upper() + text[1:] + "."
