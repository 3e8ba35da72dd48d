"""What each role may do, route by route: docs/workspaces.md says it, and this is what the API server does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from icefield_apiserver.app import FEATURES
from icefield_crds import Job, Role, Run, RunPhase, Warehouse, WarehousePhase
from icefield_crds.names import API_VERSION, namespace_of
from tests.controlplane import REPOSITORY, ControlPlane

from .conftest import ADMIN, AddUser, MakeWorkspace, SignIn

pytestmark = pytest.mark.integration

ROLES = ("viewer", "editor", "admin", "platform administrator")
"""From the lowest on."""
PAGE = REPOSITORY / "docs" / "workspaces.md"
_ROW = re.compile(r"^\| `(?P<method>[A-Z]+) (?P<path>/\S*)` \| (?P<role>[a-z ]+) \|$", re.MULTILINE)
_WITHOUT_ROLE = ("auth", "iceberg")
"""Features whose routes are for the caller alone, or have roles by the operation of their protocol."""
_JOB = {"name": "job", "command": "true"}
_BODIES: Mapping[str, Mapping[str, Any]] = {
    "POST /api/v1/jobs": _JOB,
    "PUT /api/v1/jobs/{id}": {"name": "a-job", "command": "exit 3"},
    "PATCH /api/v1/jobs/{id}": {"command": "false"},
    "POST /api/v1/runs": {"name": "one", "command": "true"},
    "POST /api/v1/jobs/{id}/run": {},
    "POST /api/v1/sql/warehouses": {"name": "other"},
    "PATCH /api/v1/sql/warehouses/{id}": {"auto_stop": "never"},
    "POST /api/v1/sql/execute": {"query": "SELECT 1", "warehouse_id": "found", "wait_timeout": "0s"},
    "PUT /api/v1/workspaces/{workspace}/members/{user}": {"role": "viewer"},
    "PUT /api/v1/workspaces/{workspace}/grants": {"grants": []},
    "POST /api/v1/users": {"email": "new@acme.eu", "password": "correct horse battery"},
    "POST /api/v1/query": {"query": "SELECT 1", "explain": True},
}
"""What Kubernetes or a service decides on has a body that would be taken."""


@dataclass(frozen=True)
class Call:
    """A route, as the page writes it, and where a request to it goes."""

    method: str
    path: str

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def shown(self) -> str:
        """The route in the notation of the API reference, without the prefix that nearly all have."""
        path = re.sub(r"{(\w+)}", r":\1", self.path.removeprefix("/api/v1"))
        return f"{self.method} {path}"

    def url(self, workspace: str) -> str:
        kinds = {"/cancel": "a-new-run", "/jobs/": "a-job", "/runs/": "a-run", "/sql/warehouses/": "found"}
        name = next((name for part, name in kinds.items() if part in self.path), "none")
        path = self.path.replace("{workspace}", workspace).replace("{user}", "ed@acme.eu").replace("{id}", name)
        return re.sub(r"{\w+}", "none", path)


def calls() -> Iterator[Call]:
    """Yield each call that is decided by the caller's role."""
    for feature in FEATURES:
        for mount in feature.mounts:
            for route in mount.router.routes:
                assert isinstance(route, APIRoute)
                if feature.name not in _WITHOUT_ROLE and "{schema}/" not in route.path:
                    yield from (Call(method, mount.prefix + route.path) for method in sorted(route.methods - {"HEAD"}))


def documented() -> dict[str, str]:
    """Return the lowest role of each route, as the page has it."""
    return {f"{row['method']} {row['path']}": row["role"] for row in _ROW.finditer(PAGE.read_text())}


def furnish(plane: ControlPlane, workspace: str) -> None:
    """Make what requests may name: a job, a run that has ended and one that has not, a warehouse that is stopped."""
    namespace, spec = namespace_of(workspace), {"command": "true"}
    made = ((Job, "a-job", spec), (Run, "a-run", spec), (Run, "a-new-run", spec), (Warehouse, "found", {}))
    for kind, name, fields in made:
        metadata = {"name": name, "namespace": namespace}
        plane.client.apply({"apiVersion": API_VERSION, "kind": kind.KIND, "metadata": metadata, "spec": fields})
    for kind, name, phase in ((Run, "a-run", RunPhase.SUCCESS), (Warehouse, "found", WarehousePhase.STOPPED)):
        status = {"status": {"phase": phase.value}}
        plane.client.patch((API_VERSION, kind.PLURAL), name, status, namespace, "status")


async def test_the_page_has_the_lowest_role_of_each_route(
    make_workspace: MakeWorkspace,
    add_user: AddUser,
    sign_in: SignIn,
    cluster_with_roles: ControlPlane,
) -> None:
    people = {role.value: f"{role.value}@acme.eu" for role in Role}
    for person in (*people.values(), "ed@acme.eu"):
        await add_user(person)
    workspace = await make_workspace(members={person: role for role, person in people.items()})
    clients = {role: await sign_in(person, workspace=workspace) for role, person in people.items()}
    clients[ROLES[-1]] = await sign_in(ADMIN, workspace=workspace)

    furnish(cluster_with_roles, workspace)
    async with asyncio.timeout(10):
        while (await clients["viewer"].get("/runs/a-run")).json().get("status") != "success":  # noqa: ASYNC110 - a client has nothing to wait on
            await asyncio.sleep(0.02)

    async def is_allowed(call: Call, client: httpx.AsyncClient) -> bool:
        furnish(cluster_with_roles, workspace)
        url = f"http://icefield{call.url(workspace)}"
        body = None if call.method in ("GET", "DELETE") else _BODIES.get(call.key, {})
        answer = await client.request(call.method, url, json=body)
        assert answer.status_code != 401, call
        return answer.status_code != 403

    async def lowest_role(call: Call) -> str:
        for role, client in clients.items():
            if await is_allowed(call, client):
                return role
        return "nobody"

    # What deletes the workspace comes last.
    ordered = sorted(calls(), key=lambda call: call.key == "DELETE /api/v1/workspaces/{workspace}")
    found = {call.shown: await lowest_role(call) for call in ordered}
    assert found == documented()
