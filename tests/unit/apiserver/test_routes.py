"""Who calls is known before a body is read, bodies have a limit, JSON is sent as JSON, and GET answers HEAD."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from icefield_apiserver.app import FEATURES
from icefield_apiserver.core import json_text
from icefield_apiserver.core.bodies import MIB
from icefield_apiserver.core.errors import Unauthorized, install_error_handlers
from icefield_apiserver.core.middleware import MAX_SKIPPED_BYTES, install_middleware
from icefield_apiserver.core.openapi import install_openapi
from icefield_apiserver.core.routes import Route, Router, before_body
from icefield_apiserver.core.shutdown import Shutdown
from icefield_apiserver.identity.dependencies import identify

from .test_errors import sentence_of

SHORT = 1000
JSON = {"Content-Type": "application/json"}


async def has_token(request: Request) -> None:
    """Refuse a request without a token."""
    if "authorization" not in request.headers:
        raise Unauthorized


@before_body(has_token)
async def caller(request: Request) -> str:
    """Return the token."""
    return request.headers["authorization"]


async def nested(token: Annotated[str, Depends(caller)]) -> str:
    """Depend on the caller, as roles do."""
    return token


async def page(limit: int = 50, after: Annotated[str | None, Query(alias="cursor")] = None) -> tuple[int, str | None]:
    """Return what a list's query has."""
    return limit, after


Status = Annotated[str | None, Query()]


class Body(BaseModel):
    """Any JSON object."""

    value: Any = None


def add_routes_that_refuse(router: Router) -> None:
    """Add routes that take some of what a request may say."""

    @router.get("/found")
    async def find_things(window: Annotated[tuple[int, str | None], Depends(page)], status: Status = None) -> Body:
        return Body(value=[status, *window])

    @router.api_route("/bare", methods=["POST", "DELETE"])
    async def act() -> Body:
        return Body()

    @router.post("/once")
    async def post_once(body: Body, idempotency_key: Annotated[str | None, Header()] = None) -> Body:
        return body


def make_app(streams: list[str]) -> FastAPI:
    """Return an application with a route of each kind.

    Args:
        streams: gets the name of each stream that is started.
    """
    app = FastAPI(redirect_slashes=False)
    install_middleware(app, (), Shutdown())
    install_error_handlers(app)
    install_openapi(app)
    router = Router()

    async def stream(name: str) -> AsyncIterator[bytes]:
        streams.append(name)
        yield b"begun"

    @router.post("/open")
    async def post_openly(body: Body) -> Body:
        return body

    @router.post("/closed")
    async def post_as_somebody(body: Body, token: Annotated[str, Depends(nested)]) -> Body:
        return body

    @router.post("/short", max_body_size=SHORT)
    async def post_little(body: Body | None = None) -> Body:
        return body or Body()

    @router.get("/things")
    async def read_things() -> Body:
        return Body(value="all")

    @router.get("/lines")
    async def read_lines() -> StreamingResponse:
        return StreamingResponse(stream("lines"), media_type="text/plain")

    @router.get("/events")
    async def follow_lines() -> EventSourceResponse:
        return EventSourceResponse(stream("events"))

    add_routes_that_refuse(router)
    app.include_router(router, prefix="/v1")
    return app


@pytest.fixture
def streams() -> list[str]:
    """The streams that were started."""
    return []


@pytest.fixture
def app(streams: list[str]) -> FastAPI:
    return make_app(streams)


@pytest_asyncio.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://icefield/v1") as client:
        yield client


class Chunks:
    """A body that is sent in chunks, without its length.

    Attributes:
        sent: how many bytes were asked for.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.sent < self._length:
            self.sent += 100
            yield b" " * 100


async def test_who_calls_is_known_before_the_body_is_read(client: httpx.AsyncClient) -> None:
    body = Chunks(10_000)
    answer = await client.post("/closed", content=body, headers=JSON)
    assert (answer.status_code, body.sent) == (401, 0)
    assert sentence_of(answer) == "A valid bearer token is required."
    assert answer.headers["connection"] == "close"
    known = await client.post("/closed", json={"value": 1}, headers={"Authorization": "x"})
    assert (known.status_code, known.json()) == (200, {"value": 1})


def test_every_route_of_the_server_that_takes_a_caller_checks_the_caller_first() -> None:
    mounts = [mount for feature in FEATURES for mount in feature.mounts]
    routes = [route for mount in mounts for route in mount.router.routes]
    assert all(isinstance(route, Route) for route in routes)
    anonymous = [route.name for route in routes if isinstance(route, Route) and identify not in route.checks]
    assert sorted(anonymous) == ["call_iceberg_catalog", "exchange_iceberg_token", "login", "read_iceberg_config"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/found?state=failed", "There is no query parameter state; did you mean status?"),
        ("/found?limits=1", "There is no query parameter limits; did you mean limit?"),
        ("/found?after=x", "There is no query parameter after; there are: status, limit, cursor."),
        ("/things?x=1", "There is no query parameter x."),
        (f"/things?{'x' * 1000}=1", f"There is no query parameter {'x' * 64}."),
    ],
)
async def test_unknown_query_parameters(client: httpx.AsyncClient, path: str, sentence: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, sentence_of(answer)) == (400, sentence)


async def test_query_parameters_of_a_route_and_of_its_dependencies_are_known(client: httpx.AsyncClient) -> None:
    answer = await client.get("/found?status=failed&limit=3&cursor=x")
    assert (answer.status_code, answer.json()) == (200, {"value": ["failed", 3, "x"]})


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_body_that_a_route_does_not_take_is_refused(client: httpx.AsyncClient, method: str) -> None:
    refused = await client.request(method, "/bare", json={"force": True})
    assert (refused.status_code, sentence_of(refused)) == (400, f"{method} /v1/bare takes no body.")
    for nothing in ({}, None):
        assert (await client.request(method, "/bare", json=nothing)).status_code == 200


async def test_who_calls_is_known_before_the_query_is_checked(client: httpx.AsyncClient) -> None:
    assert (await client.post("/closed?x=1", json={})).status_code == 401


async def test_a_key_that_a_route_does_not_take_is_refused_where_it_would_matter(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "deploy-17"}
    answer = await client.post("/open", json={}, headers=key)
    assert (answer.status_code, "takes no Idempotency-Key" in sentence_of(answer)) == (400, True)
    assert (await client.post("/once", json={}, headers=key)).status_code == 200
    assert (await client.get("/things", headers=key)).status_code == 200


async def test_a_body_that_is_announced_too_long_is_not_read(app: FastAPI) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body is read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", str(SHORT + 1).encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/short", "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"]) == {"error": f"The body is longer than {SHORT} bytes."}


async def test_a_body_that_grows_too_long_is_not_read_on(client: httpx.AsyncClient) -> None:
    body = Chunks(10_000)
    answer = await client.post("/short", content=body, headers=JSON)
    assert (answer.status_code, body.sent) == (413, SHORT + 100)
    assert sentence_of(answer) == f"The body is longer than {SHORT} bytes."
    assert answer.headers["connection"] == "close"


async def test_a_route_that_declares_nothing_takes_a_mebibyte(client: httpx.AsyncClient) -> None:
    around = len('{"value":""}')
    assert (await client.post("/open", json={"value": "x" * (MIB - around)})).status_code == 200
    assert (await client.post("/open", json={"value": "x" * (MIB - around + 1)})).status_code == 413


@pytest.mark.parametrize(("length", "ends"), [(0, False), (MAX_SKIPPED_BYTES, False), (MAX_SKIPPED_BYTES + 1, True)])
async def test_a_connection_ends_when_much_of_a_body_is_not_read(
    client: httpx.AsyncClient, length: int, *, ends: bool
) -> None:
    answer = await client.post("/nowhere", content=b" " * length)
    assert answer.status_code == 404
    assert ("connection" in answer.headers) is ends


async def test_a_connection_stays_when_a_long_body_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/open", json={"value": "x" * 2 * MAX_SKIPPED_BYTES})
    assert "connection" not in answer.headers


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/json", "application/jsonp", "", None]
)
async def test_json_is_sent_as_json(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await client.post("/open", content=b'{"value": 1}', headers=headers)
    assert answer.status_code == 415
    assert sentence_of(answer) == "Send the body as JSON, with the header `Content-Type: application/json`."


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
async def test_types_that_are_json_are_taken(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("/open", content=b'{"value": 1}', headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()) == (200, {"value": 1})


async def test_no_body_needs_no_type(client: httpx.AsyncClient) -> None:
    for empty in (b"", Chunks(0)):
        assert (await client.post("/short", content=empty)).status_code == 200


@pytest.mark.parametrize("threshold", [0, MIB])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("NaN", "The body is not valid JSON: NaN is not a number in JSON; send null, or a string."),
        ("-Infinity", "The body is not valid JSON: -Infinity is not a number in JSON; send null, or a string."),
        ("1e400", "The body has a number beyond the range of a double; send it as a string."),
        ("9" * 5000, "The body has an integer of too many digits; send it as a string."),
        ("[" * 100_000, "The body's JSON is nested too deeply."),
        ("1,", "The body is not valid JSON: Expecting property name enclosed in double quotes"),
    ],
)
async def test_what_is_not_json_is_told(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str, threshold: int
) -> None:
    monkeypatch.setattr(json_text, "IN_THREAD_BYTES", threshold)
    answer = await client.post("/open", content=f'{{"value": {text}}}', headers=JSON)
    assert answer.status_code == 400
    assert sentence_of(answer).startswith(sentence)


async def test_text_in_another_encoding_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/open", content=b'{"value": "\xff"}', headers=JSON)
    assert (answer.status_code, sentence_of(answer)) == (400, "The body is not valid JSON: it is not in UTF-8.")


@pytest.mark.parametrize(
    "body",
    [
        '{"value": "ü"}'.encode("utf-16"),
        '{"value": "a"}'.encode("utf-16-le"),
        '{"value": "a"}'.encode("utf-32"),
        # Half of a surrogate pair, encoded as if it were a character.
        b'{"value": "\xed\xa0\x80"}',
    ],
)
async def test_json_is_in_utf_8(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/open", content=body, headers=JSON)
    assert (answer.status_code, sentence_of(answer).startswith("The body is not valid JSON: ")) == (400, True)


@pytest.mark.parametrize("threshold", [0, MIB])
@pytest.mark.parametrize(
    ("text", "half"),
    [
        (r'"a\ud800"', "ud800"),
        (r'"\uDFFF"', "udfff"),
        (r'{"\udc00\ud83d": 1}', "udc00"),
        (r'[[{"a": {"b": ["\ud83d\ude00", "\ud83d\u0041"]}}]]', "ud83d"),
        (r'"\\ud83d\ude00"', "ude00"),
    ],
)
async def test_halves_of_characters_are_told(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, text: str, half: str, threshold: int
) -> None:
    monkeypatch.setattr(json_text, "IN_THREAD_BYTES", threshold)
    answer = await client.post("/open", content=f'{{"value": {text}}}', headers=JSON)
    sentence = f"The body has a string with \\{half}, which is half of a character."
    assert (answer.status_code, sentence_of(answer)) == (400, sentence)


@pytest.mark.parametrize("text", [r'"\ud83d\ude00"', r'"\\ud800"', r'{"a": ["\\\ud83d\ude00"]}', '"\N{GRINNING FACE}"'])
async def test_whole_characters(client: httpx.AsyncClient, text: str) -> None:
    answer = await client.post("/open", content=b"\xef\xbb\xbf" + f'{{"value": {text}}}'.encode(), headers=JSON)
    assert (answer.status_code, answer.json()["value"]) == (200, json.loads(text))


@pytest.mark.parametrize("threshold", [0, MIB])
async def test_json_keeps_its_values(monkeypatch: pytest.MonkeyPatch, threshold: int) -> None:
    monkeypatch.setattr(json_text, "IN_THREAD_BYTES", threshold)
    value = {"a": [1, -2.5, 2**80, True, None, "ü"], "b": {"c": {}}}
    assert await json_text.parse_json(json.dumps(value).encode()) == value


async def test_long_json_does_not_stop_the_event_loop() -> None:
    body = json.dumps([["a"]] * 200_000).encode()
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    turning = asyncio.create_task(turn())
    parsed = await json_text.parse_json(body)
    turning.cancel()
    assert len(parsed) == 200_000
    assert turns >= 3


@pytest.mark.parametrize("path", ["/things", "/lines", "/events", "/nothing"])
async def test_head_answers_as_get_does(client: httpx.AsyncClient, streams: list[str], path: str) -> None:
    head = await client.head(path)
    assert streams == []
    get = await client.get(path)
    assert head.status_code == get.status_code
    assert head.headers.pop("x-request-id") != get.headers.pop("x-request-id")
    assert head.headers == get.headers
    assert head.content == b""


@pytest.mark.parametrize(("method", "path", "allow"), [("PUT", "/things", "GET, HEAD"), ("HEAD", "/open", "POST")])
async def test_methods_that_there_are_not(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    if method != "HEAD":
        assert sentence_of(answer) == f"{method} is not allowed at /v1{path}."


async def test_head_is_not_in_the_document(app: FastAPI) -> None:
    assert set(app.openapi()["paths"]["/v1/things"]) == {"get"}


async def test_refusals_of_bodies_are_documented(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert {"413", "415"} <= set(paths["/v1/short"]["post"]["responses"])
    assert not {"413", "415"} & set(paths["/v1/things"]["get"]["responses"])
