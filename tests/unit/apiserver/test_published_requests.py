"""Nothing that a published client sends is refused as unknown."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from pydantic import BaseModel

from icefield_apiserver.app import FEATURES
from icefield_apiserver.core.routes import Route

from .published_requests import CLIENTS, REQUESTS, PublishedRequest

ROUTES = {
    (method, mount.prefix + route.path): route
    for feature in FEATURES
    for mount in feature.mounts
    for route in mount.router.routes
    if isinstance(route, Route)
    for method in route.methods or ()
}


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: f"{each.client} {each.method} {each.path}")
def test_requests_of_published_clients_are_known(request_: PublishedRequest) -> None:
    route = ROUTES[request_.method, request_.path]
    assert route.query_parameters is not None
    assert set(request_.query) <= set(route.query_parameters)
    if request_.body is not None:
        assert route.body_field is not None
        model = route.body_field.field_info.annotation
        bodies = [each for each in (model, *getattr(model, "__args__", ())) if isinstance(each, type)]
        body = next(each for each in bodies if issubclass(each, BaseModel))
        body.model_validate(request_.body)
    if request_.form:
        form = route.openapi_extra or {}
        properties = form["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        assert set(request_.form) <= set(properties)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_requests_are_those_of_the_versions_that_are_tested(client: str) -> None:
    assert version(client) == CLIENTS[client]
