"""Prometheus metrics of the server, at /metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.types import Scope

from icefield_kube.request_review import SENTENCES, RequestReview

from .errors import ApiError
from .feature import provided
from .routes import Router

REQUESTS = Counter(
    "icefield_apiserver_requests_total",
    "Requests by operation and status.",
    ("method", "operation", "status"),
)
LATENCY = Histogram(
    "icefield_apiserver_request_seconds",
    "Duration of requests until the end of the response.",
    ("method", "operation"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

router = Router()


def observe(scope: Scope, status: int, seconds: float) -> None:
    """Record a request under its OpenAPI operation; a label per path would have unlimited cardinality.

    Args:
        scope: the request's ASGI scope, after routing.
        status: HTTP status of the response; 0 when the client disconnected before it.
        seconds: duration.
    """
    method = scope["method"] if scope["method"] in METHODS else "other"
    operation = getattr(scope.get("route"), "name", "unknown")
    REQUESTS.labels(method, operation, str(status)).inc()
    LATENCY.labels(method, operation).observe(seconds)


@router.get("/metrics", include_in_schema=False)
async def read_metrics(
    request: Request,
    review: Annotated[RequestReview, Depends(provided(RequestReview))],
    authorization: Annotated[str | None, Header()] = None,
) -> Response:
    """Return all metrics in Prometheus' text format to whom RBAC lets read them.

    Raises:
        ApiError: 401 without a token of Kubernetes, 403 where its holder may not, 503 when Kubernetes cannot be asked.
    """
    status = await review.status(authorization, request.url.path)
    if status in SENTENCES:
        raise ApiError(status, SENTENCES[status])
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
