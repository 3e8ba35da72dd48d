"""The size of a resource, as it is computed and as etcd has it, and what is refused for it."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from icefield_crds import Job
from icefield_crds.stored_size import MAX_OBJECT_BYTES, stored_size
from tests.controlplane import ControlPlane

from .conftest import ADMIN, MakeWorkspace, SignIn

pytestmark = pytest.mark.integration

VARIABLES = {f"V{number}": "" for number in range(100)}
LARGE: dict[str, dict[str, Any]] = {
    "long": {"tasks": [{"key": f"t{n}", "command": "x" * 25_000} for n in range(40)]},
    "escaped": {"tasks": [{"key": f"t{n}", "command": "a && b > c < d; " * 300} for n in range(50)]},
    "many": {"tasks": [{"key": f"t{n}", "command": "x", "env_vars": VARIABLES} for n in range(100)]},
    "odd": {
        "command": "x",
        "params": {f"p{n}": '\u20ac\n\t"\u2028\u0001' for n in range(100)},
        "files": {f"lib/f{n}.py": "<html>" * 1000 for n in range(20)},
    },
}


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    return await make_workspace("sizes")


@pytest_asyncio.fixture
async def client(sign_in: SignIn, slug: str) -> httpx.AsyncClient:
    return await sign_in(ADMIN, workspace=slug)


@asynccontextmanager
async def etcd_of(control_plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """Talk to etcd through its JSON gateway, with the certificate of kube-apiserver."""
    process = next(process for process in control_plane.processes if process.name == "etcd")
    options = dict(argument.split("=", 1) for argument in process.argv if "=" in argument)
    authority = Path(options["--trusted-ca-file"])
    context = ssl.create_default_context(cafile=authority)
    certificate = authority.parent.parent / "apiserver-etcd-client.crt"
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    async with httpx.AsyncClient(verify=context, base_url=options["--listen-client-urls"]) as etcd:
        yield etcd


async def test_the_size_is_that_in_etcd(client: httpx.AsyncClient, slug: str, control_plane: ControlPlane) -> None:
    async with etcd_of(control_plane) as etcd:
        for name, body in LARGE.items():
            answer = await client.post("/jobs", json={"name": name, **body})
            assert answer.status_code == 201, answer.text
            key = f"/registry/icefield.dev/jobs/icefield-{slug}/{name}".encode()
            found = await etcd.post("/v3/kv/range", json={"key": base64.b64encode(key).decode()})
            stored = base64.b64decode(found.json()["kvs"][0]["value"])
            computed = stored_size(Job.model_validate(orjson.loads(stored)))
            assert abs(len(stored) - computed) < 2000, name


async def test_what_is_stored_runs_and_what_is_larger_is_400(client: httpx.AsyncClient) -> None:
    def body(tasks: int) -> dict[str, Any]:
        return {"tasks": [{"key": f"t{n}", "command": "x" * 30_000} for n in range(tasks)]}

    made = await client.post("/jobs", json={"name": "fits", **body(43)})
    assert made.status_code == 201, made.text
    assert (await client.post("/jobs/fits/run")).status_code == 201
    refused = [
        await client.post("/jobs", json={"name": "x", **body(44)}),
        await client.put("/jobs/fits", json=body(44)),
        await client.put("/jobs/fits", json={"description": "<" * 4000}),
        await client.post("/runs", json=body(44)),
        await client.post("/jobs/fits/run", json={"params": {"a": "<" * 5000}}),
    ]
    for answer in refused:
        assert answer.status_code == 400, answer.text
        assert f"more than the {MAX_OBJECT_BYTES} that are allowed; put large values into" in answer.json()["error"]
    assert refused[0].json()["error"].startswith("The job has 13")
    assert refused[4].json()["error"].startswith("The run has 13")
    assert (await client.put("/jobs/fits", json={"description": "smaller", **body(2)})).status_code == 200
