"""The OpenAPI document and its page are complete, and need nothing from outside."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest_asyncio
from fastapi.routing import APIRoute

from icefield_apiserver.app import FEATURES, create_app
from icefield_apiserver.core.settings import Settings
from icefield_crds.patterns import PATTERNS_IN_WORDS

METHODS = ("get", "put", "post", "patch", "delete")
OPEN = {("post", "/api/v1/auth/login"), ("get", "/livez"), ("get", "/readyz")}


@pytest_asyncio.fixture
async def document(settings: Settings) -> dict[str, Any]:
    """The document as served; the lifespan need not run for it."""
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://icefield") as client:
        served: dict[str, Any] = (await client.get("/openapi.json")).json()
    return served


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (method, path, operation) of everything documented."""
    return [
        (method, path, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


async def test_operation_ids_are_readable_and_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in ids)


async def test_every_error_is_documented_in_our_shape(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if not path.startswith("/api/"):
            continue
        responses = operation["responses"]
        assert "422" not in responses
        bodies = ("413", "415") if "requestBody" in operation else ()
        for status in ("400", "401", "403", "404", "409", "429", *bodies):
            schema = responses[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}, (method, path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def objects(document: dict[str, Any], value: Any, seen: set[str]) -> list[dict[str, Any]]:
    """Return the schemas of the objects with fields that a part of the document leads to.

    Args:
        document: the document.
        value: the part.
        seen: references that were followed already; gets those that are followed now.
    """
    if isinstance(value, list):
        return [found for each in value for found in objects(document, each, seen)]
    if not isinstance(value, dict):
        return []
    reference: str = value.get("$ref", "")
    if reference in seen:
        return []
    if reference:
        seen.add(reference)
        return objects(document, document["components"]["schemas"][reference.rpartition("/")[2]], seen)
    own = [value] if value.get("type") == "object" and "properties" in value else []
    return own + [found for each in value.values() for found in objects(document, each, seen)]


async def test_requests_have_no_other_fields_and_answers_may_get_some(document: dict[str, Any]) -> None:
    requests: set[str] = set()
    answers: set[str] = set()
    for _, _, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        assert all(each.get("additionalProperties") is False for each in objects(document, body, requests))
        assert all("additionalProperties" not in each for each in objects(document, operation["responses"], answers))
    assert requests


async def test_every_answer_has_a_schema(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert successes, (method, path)
        for success in successes:
            if success.get("content"):
                assert all(content.get("schema") for content in success["content"].values()), (method, path)
            else:
                assert "204" in operation["responses"], (method, path)


async def test_everything_else_asks_for_a_bearer_token(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for method, path, operation in operations(document):
        assert ("security" in operation) is ((method, path) not in OPEN), (method, path)


async def test_every_operation_is_described(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert operation.get("summary"), (method, path)


async def test_document_names_no_path_twice_and_every_route() -> None:
    mounts = [mount for feature in FEATURES for mount in feature.mounts]
    routes = [(mount.prefix, route) for mount in mounts for route in mount.router.routes if isinstance(route, APIRoute)]
    keys = [(method, prefix + route.path) for prefix, route in routes for method in route.methods or ()]
    assert len(keys) == len(set(keys))


async def test_docs_page_loads_nothing_from_elsewhere(settings: Settings) -> None:
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://icefield") as client:
        assert (await client.head("/docs")).status_code == 200
        page = (await client.get("/docs")).text
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
        loaded = re.findall(r"""(?:src|href)=["'](/[^"']+)""", page)
        assert loaded
        for path in loaded:
            assert (await client.get(path)).status_code == 200


async def test_every_field_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, property_ in schema.get("properties", {}).items()
        if not property_.get("description")
    ]
    assert bare == []


def patterns(document: dict[str, Any], value: Any, seen: set[str]) -> set[str]:
    """Return the patterns of all texts that a part of the document leads to; `seen` as in `objects`."""
    if isinstance(value, list):
        return {found for each in value for found in patterns(document, each, seen)}
    if not isinstance(value, dict):
        return set()
    reference: str = value.get("$ref", "")
    if reference:
        if reference in seen:
            return set()
        seen.add(reference)
        return patterns(document, document["components"]["schemas"][reference.rpartition("/")[2]], seen)
    own = {value["pattern"]} if isinstance(value.get("pattern"), str) else set()
    return own | {found for each in value.values() for found in patterns(document, each, seen)}


async def test_every_pattern_of_a_request_has_words(document: dict[str, Any]) -> None:
    """A message says what a text should be, never a regular expression."""
    found: set[str] = set()
    for _, _, operation in operations(document):
        requested = [operation.get("requestBody", {}), operation.get("parameters", [])]
        found |= patterns(document, requested, set())
    assert len(found) > 5
    assert found <= set(PATTERNS_IN_WORDS), found - set(PATTERNS_IN_WORDS)
