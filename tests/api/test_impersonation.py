"""Writes are made as the caller's role, and Kubernetes decides; the API server itself may do next to nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml
from fastapi import FastAPI

from icefield_apiserver.core.kube import Impersonation
from icefield_apiserver.core.kube.client import ResourceClient
from icefield_apiserver.core.settings import Settings
from icefield_crds import Job, JobSpec, ObjectMeta, Workspace, WorkspaceSpec
from icefield_crds.names import IMPERSONATOR_CLUSTER_ROLE, PERSON_EXTRA, SYSTEM_NAMESPACE
from icefield_kube.errors import KubernetesError
from tests.controlplane import REPOSITORY, ControlPlane

from .conftest import ADMIN, MakeWorkspace, SignIn, serving

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("impersonator")]

SERVICE_ACCOUNT = "icefield-apiserver"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
AddUser = Callable[[str], Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def service_account_kubeconfig(cluster_with_roles: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with a real token of the API server's service account, which has the roles of manifests/base."""
    plane = cluster_with_roles
    plane.client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
    folder = REPOSITORY / "manifests/base/apiserver"
    files = [f"--filename={folder / name}" for name in ("rbac.yaml", "rbac-kinds.yaml")]
    plane.kubectl("apply", "--server-side", "-n", SYSTEM_NAMESPACE, *files)
    token = plane.kubectl("create", "token", SERVICE_ACCOUNT, "-n", SYSTEM_NAMESPACE).strip()
    kubeconfig = yaml.safe_load(plane.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("service-account") / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    return path


@pytest.fixture
def allow(cluster_with_roles: ControlPlane) -> Callable[[str], None]:
    """Let the API server impersonate the roles of one workspace, as the operator does for all."""

    def allow(slug: str) -> None:
        users = [f"icefield:{slug}:{role}" for role in ("viewer", "editor", "admin")]
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": IMPERSONATOR_CLUSTER_ROLE},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["users"],
                    "verbs": ["impersonate"],
                    "resourceNames": [*users, "icefield:platform:admin"],
                },
                {
                    "apiGroups": ["authentication.k8s.io"],
                    "resources": [f"userextras/{PERSON_EXTRA}"],
                    "verbs": ["impersonate"],
                },
            ],
        }
        cluster_with_roles.client.apply(role)

    return allow


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace, add_user: AddUser) -> str:
    """A workspace with one member of each role."""
    members = {f"{role}@acme.eu": role for role in ("viewer", "editor", "admin")}
    for email in members:
        await add_user(email)
    return await make_workspace("roles", members)


async def connected(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> ResourceClient:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return await ResourceClient.connect()


async def test_each_role_may_what_kubernetes_lets_it(sign_in: SignIn, slug: str) -> None:
    viewer, editor = [await sign_in(f"{role}@acme.eu", workspace=slug) for role in ("viewer", "editor")]
    body = {"name": "j", "command": "x"}
    refused = await viewer.post("/jobs", json=body)
    assert refused.status_code == 403
    assert refused.json() == {"error": f"Your role viewer may not create jobs in workspace {slug}."}

    assert (await editor.post("/jobs", json=body)).status_code == 201
    run_id = (await editor.post("/jobs/j/run")).json()["run_id"]
    for call, what in (
        (viewer.put("/jobs/j", json={"command": "y"}), "update jobs"),
        (viewer.delete("/jobs/j"), "delete jobs"),
        (viewer.post("/jobs/j/run"), "create runs"),
        (viewer.post(f"/runs/{run_id}/cancel"), "update runs"),
    ):
        answer = await call
        assert answer.status_code == 403
        assert f"Your role viewer may not {what} in workspace {slug}." == answer.json()["error"]
    assert (await viewer.get("/jobs/j")).json()["command"] == "x"
    assert (await viewer.get(f"/runs/{run_id}/tasks")).status_code == 200


async def test_the_service_account_is_enough_to_serve(
    settings: Settings,
    slug: str,
    allow: Callable[[str], None],
    service_account_kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    sign_in: SignIn,
) -> None:
    token = (await sign_in("editor@acme.eu")).headers["Authorization"]
    monkeypatch.setenv("KUBECONFIG", str(service_account_kubeconfig))
    async with serving(settings) as app:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://icefield/api/v1",
            headers={"Authorization": token, "X-Workspace-Slug": slug},
        )
        async with client:
            await _serve_as_editor(client, slug, allow)


async def _serve_as_editor(client: httpx.AsyncClient, slug: str, allow: Callable[[str], None]) -> None:
    body = {"name": "j", "command": "x"}
    allow("another")
    answer = await client.post("/jobs", json=body)
    assert answer.status_code == 503  # not the role's fault: the operator has not let us yet
    assert f"Workspace {slug} is still being set up" in answer.json()["error"]
    allow(slug)
    assert (await client.post("/jobs", json=body)).status_code == 201
    run_id = (await client.post("/jobs/j/run")).json()["run_id"]
    assert (await client.post(f"/runs/{run_id}/cancel")).status_code == 200
    assert (await client.get(f"/runs/{run_id}/logs")).status_code in (200, 503)  # there is no object store here


async def test_kubernetes_receives_the_person(
    slug: str, allow: Callable[[str], None], service_account_kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(slug)
    kube = await connected(service_account_kubeconfig, monkeypatch)
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        caller = Impersonation(f"icefield:{slug}:editor", "you@acme.eu")
        reviewed = await kube.call("POST", REVIEW, body=review, headers=caller.headers)
    finally:
        await kube.close()
    user = reviewed["status"]["userInfo"]
    assert user["username"] == f"icefield:{slug}:editor"
    assert user["groups"] == ["system:authenticated"]
    assert user["extra"] == {PERSON_EXTRA: ["you@acme.eu"]}


@pytest.mark.parametrize(
    "headers",
    [
        {"Impersonate-User": "icefield:SLUG:editor", "Impersonate-Group": "system:masters"},
        {"Impersonate-User": "system:admin", "Impersonate-Group": "system:masters"},
        {"Impersonate-User": "system:masters"},
        {"Impersonate-User": "kubernetes-admin"},
        {"Impersonate-User": "icefield:another:admin"},
        {"Impersonate-User": "system:serviceaccount:icefield-system:icefield-operator"},
        {"Impersonate-User": "icefield:SLUG:editor", "Impersonate-Uid": "1"},
        {"Impersonate-User": "icefield:SLUG:editor", "Impersonate-Extra-scopes": "all"},
    ],
)
async def test_the_service_account_may_impersonate_no_other_user(
    slug: str,
    allow: Callable[[str], None],
    service_account_kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
) -> None:
    allow(slug)

    class Other(Impersonation):
        @property
        def headers(self) -> dict[str, str]:
            return {name: value.replace("SLUG", slug) for name, value in headers.items()}

    kube = await connected(service_account_kubeconfig, monkeypatch)
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        with pytest.raises(KubernetesError) as refused:
            await kube.call("POST", REVIEW, body=review, headers=Other("", "").headers)
    finally:
        await kube.close()
    assert refused.value.status == 403
    assert "cannot impersonate resource" in refused.value.message


async def test_the_service_account_itself_may_not_write(
    slug: str, service_account_kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(metadata=ObjectMeta(name="j", namespace=f"icefield-{slug}"), spec=JobSpec(command="x"))
    workspace = Workspace(metadata=ObjectMeta(name="w"), spec=WorkspaceSpec())
    kube = await connected(service_account_kubeconfig, monkeypatch)

    class Itself(Impersonation):
        @property
        def headers(self) -> dict[str, str]:
            return {}

    try:
        for resource in (job, workspace):
            with pytest.raises(KubernetesError) as refused:
                await kube.create(resource, Itself("", ""))  # type: ignore[type-var]
            assert refused.value.status == 403
    finally:
        await kube.close()


async def test_a_role_ends_at_its_workspace(app: FastAPI, slug: str, make_workspace: MakeWorkspace) -> None:
    other = await make_workspace("other")
    job = Job(metadata=ObjectMeta(name="j", namespace=f"icefield-{other}"), spec=JobSpec(command="x"))
    with pytest.raises(KubernetesError) as refused:
        await app.state.core.cluster.client.create(job, Impersonation(f"icefield:{slug}:admin", ADMIN))
    assert refused.value.status == 403
