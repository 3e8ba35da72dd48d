"""Every error is `{"error": "<sentence>"}`, whatever went wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import aiohttp
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, field_validator
from sqlalchemy.exc import DataError, OperationalError

from icefield_apiserver.core.errors import (
    ERROR_RESPONSES,
    Conflict,
    QuotaExceeded,
    Unauthorized,
    install_error_handlers,
)
from icefield_apiserver.core.middleware import install_middleware
from icefield_apiserver.core.routes import Router
from icefield_apiserver.core.shutdown import Shutdown
from icefield_kube.errors import KubernetesError, Unreachable


class Part(BaseModel):
    """Something nested."""

    key: str
    size: int | list[int] = 0

    @field_validator("key")
    @classmethod
    def is_lower(cls, key: str) -> str:
        """Refuse upper case."""
        if key != key.lower():
            raise ValueError("keys are lower case")
        return key


class Body(BaseModel):
    """A request's body."""

    name: str
    tasks: list[Part] = []


RAISED: dict[str, Exception] = {
    "conflict": Conflict("It is there already."),
    "quota": QuotaExceeded("max_running_runs=10, current=10", retry_after=3),
    "unauthorized": Unauthorized(),
    "kubernetes": KubernetesError.of(
        422,
        json.dumps({"message": "x", "details": {"causes": [{"field": "spec", "message": 'Invalid value: "a": no'}]}}),
    ),
    "kubernetes-unreachable": Unreachable("GET /api: 10.0.0.1:6443 refused"),
    "cluster-away": aiohttp.ClientConnectionError("10.0.0.1:6443 refused"),
    "database-away": OperationalError("SELECT 1", {}, Exception("password=hunter2")),
    "unstorable": DataError("SELECT 1", {}, Exception("NUL (0x00) bytes")),
    "timeout": TimeoutError("secret"),
    "bug": KeyError("secret"),
}


def make_app() -> FastAPI:
    """Return an application whose routes go wrong in every way."""
    app = FastAPI(redirect_slashes=False)
    install_middleware(app, (), Shutdown())
    install_error_handlers(app)
    router = Router()

    @router.post("/things", responses=ERROR_RESPONSES)
    async def create_thing(body: Body, limit: Annotated[int, Query(le=200)] = 50) -> Body:
        return body

    @router.get("/raise/{what}")
    async def fail(what: str) -> None:
        raise RAISED[what]

    @router.get("/break-off")
    async def break_off() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            raise KeyError("too late for an answer")

        return StreamingResponse(body())

    app.include_router(router)
    return app


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app()), base_url="http://icefield") as client:
        yield client


def sentence_of(answer: httpx.Response) -> str:
    """Return the sentence, after making sure that there is nothing else."""
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"error"}
    sentence: str = body["error"]
    assert "\n" not in sentence
    assert answer.headers["content-type"] == "application/json"
    return sentence


async def test_unknown_path_and_method(client: httpx.AsyncClient) -> None:
    missing = await client.get("/nothing")
    assert (missing.status_code, sentence_of(missing)) == (404, "Not found: /nothing.")
    method = await client.put("/things")
    assert (method.status_code, sentence_of(method)) == (405, "PUT is not allowed at /things.")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{}", "Field name is required."),
        ('{"name": 3}', "Field name: should be a valid string."),
        ('{"name": "a", "tasks": [{"key": "A"}]}', "Field tasks[0].key: keys are lower case."),
        ('{"name": "a", "tasks": [{}]}', "Field tasks[0].key is required."),
        ('{"name": "a", "tasks": [{"key": "a", "size": "x"}]}', "Field tasks[0].size: should be a valid integer"),
        ("[]", "The body: should be a valid dictionary"),
        ("{", "The body is not valid JSON: "),
        ("", "The body is required."),
    ],
)
async def test_bad_bodies_are_400_and_name_the_field(client: httpx.AsyncClient, body: str, sentence: str) -> None:
    answer = await client.post("/things", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert sentence_of(answer).startswith(sentence)


async def test_bad_parameters_are_400(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things?limit=900", json={"name": "a"})
    assert answer.status_code == 400
    assert sentence_of(answer) == "Query parameter limit: should be less than or equal to 200."


@pytest.mark.parametrize(
    ("what", "status", "sentence"),
    [
        ("conflict", 409, "It is there already."),
        ("quota", 429, "max_running_runs=10, current=10"),
        ("unauthorized", 401, "A valid bearer token is required."),
        ("kubernetes", 400, "No."),
        ("unstorable", 400, "A text contains a character that cannot be stored, such as NUL."),
        ("kubernetes-unreachable", 503, "A part of the platform cannot be reached at the moment; try again shortly."),
        ("cluster-away", 503, "A part of the platform cannot be reached at the moment; try again shortly."),
        ("database-away", 503, "A part of the platform cannot be reached at the moment; try again shortly."),
        ("timeout", 503, "A part of the platform cannot be reached at the moment; try again shortly."),
    ],
)
async def test_what_is_raised_becomes_a_sentence(
    client: httpx.AsyncClient, what: str, status: int, sentence: str
) -> None:
    answer = await client.get(f"/raise/{what}")
    assert (answer.status_code, sentence_of(answer)) == (status, sentence)


async def test_headers_of_errors_are_kept(client: httpx.AsyncClient) -> None:
    assert (await client.get("/raise/quota")).headers["Retry-After"] == "3"
    assert (await client.get("/raise/unauthorized")).headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("what", ["kubernetes-unreachable", "database-away", "timeout"])
async def test_what_is_unavailable_says_when_to_try_again(client: httpx.AsyncClient, what: str) -> None:
    assert (await client.get(f"/raise/{what}")).headers["Retry-After"] == "2"


async def test_a_bug_is_logged_with_its_id_and_told_without_its_trace(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/raise/bug")
    assert answer.status_code == 500
    request_id = answer.headers["X-Request-Id"]
    assert sentence_of(answer) == f"Internal error; the server's log has the details under request {request_id}."
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert request_id in record.getMessage()
    assert record.exc_info is not None


async def test_an_answer_that_has_begun_is_broken_off(client: httpx.AsyncClient) -> None:
    with pytest.raises(KeyError):
        await client.get("/break-off")


async def test_every_answer_has_a_request_id(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/nothing")).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
