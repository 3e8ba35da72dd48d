"""Who may read what a process of ours serves besides its API, such as /metrics: RBAC decides.

As the metrics filter of controller-runtime does it: the bearer token is one that Kubernetes knows (TokenReview), and
its holder may get the path (SubjectAccessReview of a non-resource URL). manifests/base/access/metrics.yaml has a role.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

from cachetools import TTLCache

from .client import Manifest
from .errors import KubernetesError
from .paths import path_of

CACHE_SECONDS = 60.0
CACHE_SIZE = 256
SENTENCES = {
    HTTPStatus.UNAUTHORIZED: "A bearer token of Kubernetes is required, such as a service account's.",
    HTTPStatus.FORBIDDEN: "The token's account may not get this path; the ClusterRole icefield-metrics-reader lets it.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Kubernetes cannot be asked at the moment who may read this; try again shortly.",
}
"""What to answer with a status that is not OK."""


class Caller(Protocol):
    """Makes calls to the Kubernetes API."""

    async def call(self, method: str, path: str, *, body: Manifest) -> Manifest:
        """Make one call and return the JSON object answered; raise a KubernetesError."""


class RequestReview:
    """Decides by Kubernetes' authentication and RBAC whether a request may be answered.

    An answer holds for `CACHE_SECONDS`. Kubernetes is asked one question at a time, so that requests with invented
    tokens cost it little.

    Args:
        client: the process's own identity, which needs the ClusterRole system:auth-delegator.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client
        self._answers: TTLCache[tuple[str, str], HTTPStatus] = TTLCache(CACHE_SIZE, CACHE_SECONDS)
        self._lock = asyncio.Lock()

    async def status(self, authorization: str | None, path: str) -> HTTPStatus:
        """Return OK where the request may be answered, else the status to answer.

        Args:
            authorization: the header of this name.
            path: what is to be read, such as /metrics.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return HTTPStatus.UNAUTHORIZED
        question = token.strip(), path
        if (known := self._answers.get(question)) is not None:
            return known
        async with self._lock:
            if (known := self._answers.get(question)) is not None:
                return known
            try:
                answer = await self._ask(*question)
            except KubernetesError:
                return HTTPStatus.SERVICE_UNAVAILABLE
            self._answers[question] = answer
            return answer

    async def _ask(self, token: str, path: str) -> HTTPStatus:
        reviewed = await self._review("TokenReview", "authentication.k8s.io/v1", {"token": token})
        if not reviewed.get("authenticated"):
            return HTTPStatus.UNAUTHORIZED
        user = reviewed.get("user") or {}
        question = {
            "user": user.get("username", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": path, "verb": "get"},
        }
        access = await self._review("SubjectAccessReview", "authorization.k8s.io/v1", question)
        return HTTPStatus.OK if access.get("allowed") else HTTPStatus.FORBIDDEN

    async def _review(self, kind: str, api_version: str, spec: dict[str, Any]) -> dict[str, Any]:
        review = {"apiVersion": api_version, "kind": kind, "spec": spec}
        answer = await self._client.call("POST", path_of(kind, None), body=review)
        status: dict[str, Any] = answer.get("status") or {}
        return status
