"""Routes of the REST API: who calls is known before the body is read, bodies have a limit, and GET answers HEAD.

A query parameter or a body that a route does not declare is refused: nothing that a caller says is ignored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, ParamSpec, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from .bodies import JSON_BYTES, BoundedRequest
from .errors import BadRequest
from .nearest_name import hint_of, shown

P = ParamSpec("P")
R = TypeVar("R")

Check = Callable[[Request], Awaitable[object]]
_CHECK = "before_body"
IDEMPOTENCY_KEY = "idempotency-key"
_HEAD = "icefield.head"
"""Key of the ASGI scope of a HEAD request that is handled as GET."""


def before_body(check: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator of a dependency: routes that have it make a check before they read the request's body.

    FastAPI solves dependencies after it has read and parsed the body.

    Args:
        check: raises what the request is refused with.
    """

    def mark(dependency: Callable[P, R]) -> Callable[P, R]:
        setattr(dependency, _CHECK, check)
        return dependency

    return mark


class Route(APIRoute):
    """A route that checks a request before it reads its body, and answers HEAD as it answers GET (RFC 9110, 9.3.2).

    Args:
        path: path below the router's.
        endpoint: the function that answers.
        max_body_size: longest body in bytes; it does not bound `request.stream()`.
        options: those of FastAPI's route.

    Attributes:
        max_body_bytes: longest body.
    """

    def __init__(
        self, path: str, endpoint: Callable[..., Any], *, max_body_size: int | None = None, **options: Any
    ) -> None:
        # FastAPI's own limit answers in plain text, and without naming the limit.
        self.max_body_bytes = JSON_BYTES if max_body_size is None else max_body_size
        super().__init__(path, endpoint, **options)

    @property
    def query_parameters(self) -> tuple[str, ...] | None:
        """Names of the query parameters that the route and its dependencies take; None when it takes any."""
        return tuple(dict.fromkeys(_query_parameters(self.dependant)))

    @property
    def takes_body(self) -> bool:
        """Whether a request may have a body: the function's, or one that it reads itself and documents."""
        return self.body_field is not None or "requestBody" in (self.openapi_extra or {})

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether a request that is sent again with the same key is done once."""
        return IDEMPOTENCY_KEY in _headers(self.dependant)

    @property
    def checks(self) -> tuple[Check, ...]:
        """What is checked before the body is read: what the route's dependencies declare with `before_body`."""
        return tuple(dict.fromkeys(_checks(self.dependant)))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with all that comes before the body and after the answer."""
        handle = super().get_route_handler()
        checks, query_parameters, takes_key = self.checks, self.query_parameters, self.takes_idempotency_key
        takes_body = self.takes_body
        takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, Form)

        async def answer(request: Request) -> Response:
            for check in checks:
                await check(request)
            if query_parameters is not None:
                _check_query(request, query_parameters)
                if not takes_body and _has_body(request):
                    raise BadRequest(f"{request.method} {request.url.path} takes no body.")
                if request.method == "POST" and not takes_key and IDEMPOTENCY_KEY in request.headers:
                    raise BadRequest(f"{request.url.path} takes no Idempotency-Key: sent again it would be done again.")
            bounded = BoundedRequest(request.scope, request.receive, self.max_body_bytes)
            if takes_json:
                await bounded.check_is_json()
            response = await handle(bounded)
            return await without_body(response) if _HEAD in request.scope else response

        return answer

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return how a request matches; HEAD as GET does, where the route has no HEAD of its own."""
        return super().matches(self._as_get(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to the route's path.

        Raises:
            HTTPException: 405: the route has no such method.
        """
        scope = self._as_get(scope)
        if scope["method"] not in (methods := self.methods or set()):
            allowed = methods | {"HEAD"} if "GET" in methods else methods
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        await super().handle(scope, receive, send)

    def _as_get(self, scope: Scope) -> Scope:
        methods = self.methods or ()
        if scope["type"] != "http" or scope["method"] != "HEAD" or "HEAD" in methods or "GET" not in methods:
            return scope
        return {**scope, "method": "GET", _HEAD: True}


class Router(APIRouter):
    """A router of such routes."""

    def __init__(self, *, route_class: type[Route] = Route, **options: Any) -> None:
        super().__init__(route_class=route_class, **options)


def _checks(dependant: Dependant) -> Iterator[Check]:
    for each in dependant.dependencies:
        yield from _checks(each)
        if check := getattr(each.call, _CHECK, None):
            yield check


def _query_parameters(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for each in dependant.dependencies:
        yield from _query_parameters(each)


def _has_body(request: Request) -> bool:
    """Return whether a request says more than `{}` or `null`, which clients send for nothing."""
    length = request.headers.get("content-length", "")
    return length.isdigit() and int(length) > len("null")


def _headers(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.header_params)
    for each in dependant.dependencies:
        yield from _headers(each)


def _check_query(request: Request, known: tuple[str, ...]) -> None:
    for name in request.query_params:
        if name not in known:
            raise BadRequest(f"There is no query parameter {shown(name)}{hint_of(name, known)}")


async def without_body(response: Response) -> Response:
    """Return a response with the same status and headers; a stream is closed before it starts."""
    if close := getattr(getattr(response, "body_iterator", None), "aclose", None):
        await close()
    head = Response(status_code=response.status_code, background=response.background)
    head.raw_headers = response.raw_headers
    return head
