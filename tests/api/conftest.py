"""The application against a real kube-apiserver and an SQLite database of its own."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import FastAPI

from icefield_apiserver.app import create_app
from icefield_apiserver.core.arrow import decoding
from icefield_apiserver.core.db.migrate import upgrade
from icefield_apiserver.core.settings import ObjectStoreSettings, Settings
from icefield_apiserver.identity import passwords
from icefield_crds import KINDS, Workspace
from icefield_crds.names import API_VERSION, ENVIRONMENT_SECRET, namespace_of
from icefield_operator.workspace import build
from tests.catalog import RunningCatalog
from tests.controlplane import ControlPlane
from tests.kubernetes_client import WORKSPACES, Kind

from .lakehouse import Lakehouse, MakeLakehouse, furnish

ADMIN = "admin@icefield.local"
PASSWORD = "correct horse battery"
OURS: tuple[Kind, ...] = tuple((API_VERSION, kind.PLURAL) for kind in KINDS if kind.NAMESPACED)
"""What a workspace's namespace has of our kinds."""

SignIn = Callable[..., Awaitable[httpx.AsyncClient]]
AddUser = Callable[[str], Awaitable[dict[str, Any]]]
MakeClient = Callable[..., Awaitable[httpx.AsyncClient]]
MakeWorkspace = Callable[..., Awaitable[str]]


@dataclass(frozen=True)
class RunTokenKey:
    """The operator's key pair for run tokens, as PEM."""

    private: str
    public: str


@pytest.fixture(scope="session")
def run_token_key() -> RunTokenKey:
    """A fresh Ed25519 key pair."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return RunTokenKey(private.decode(), public.decode())


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> None:
    """Hash with the least argon2 that there is: these tests log in by the hundred."""
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def no_decoder_in_advance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a decoder process when a test first needs one: most decode nothing."""
    monkeypatch.setattr(decoding, "STARTED_IN_ADVANCE", 0)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the newest schema and no rows, of which each test gets a copy."""
    path = tmp_path_factory.mktemp("database") / "icefield.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def settings(tmp_path: Path, run_token_key: RunTokenKey, migrated_database: Path) -> Settings:
    """Settings of a server with an empty database; no test of these fixtures reaches the object store."""
    shutil.copy(migrated_database, tmp_path / "icefield.db")
    public_key = tmp_path / "public.pem"
    public_key.write_text(run_token_key.public)
    return Settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'icefield.db'}",
        session_key=secrets.token_urlsafe(32),
        run_token_public_key_file=public_key,
        admin_email=ADMIN,
        admin_password=PASSWORD,
        object_store=ObjectStoreSettings(
            endpoint="http://127.0.0.1:9", bucket="icefield", access_key_id="icefield", secret_access_key="icefield"
        ),
    )


@pytest.fixture(scope="session")
def cluster_with_roles(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, which has our kinds and the roles of manifests/base/access."""
    return control_plane


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[FastAPI]:
    """Run an application's lifespan; its database is migrated already."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def applications() -> list[FastAPI]:
    """The application that the first test has built; tests share it.

    FastAPI prepares each route at an application's first request, which takes longer than most tests, and remembers
    every application: some 50 MB.
    """
    return []


@pytest_asyncio.fixture
async def app(
    applications: list[FastAPI],
    settings: Settings,
    cluster_with_roles: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[FastAPI]:
    """The application, running with settings and a database of the test's own."""
    monkeypatch.setenv("KUBECONFIG", str(cluster_with_roles.kubeconfig))
    if not applications:
        applications.append(create_app(settings))
    (app,) = applications
    app.state.settings = settings
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture
async def clients(app: FastAPI) -> AsyncIterator[MakeClient]:
    """Make clients of the application: `await clients(token, workspace)`; both may be left out."""
    async with AsyncExitStack() as stack:

        async def make(token: str | None = None, workspace: str | None = None) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            headers |= {"X-Workspace-Slug": workspace} if workspace else {}
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://icefield/api/v1", headers=headers
            )
            return await stack.enter_async_context(client)

        yield make


@pytest_asyncio.fixture
async def anonymous(clients: MakeClient) -> httpx.AsyncClient:
    """A client without a token."""
    return await clients()


@pytest.fixture
def sign_in(clients: MakeClient, anonymous: httpx.AsyncClient) -> SignIn:
    """Return a client with a log-in token: `await sign_in(email, password=..., workspace=...)`."""

    async def sign_in(email: str, password: str = PASSWORD, workspace: str | None = None) -> httpx.AsyncClient:
        answer = await anonymous.post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return await clients(answer.json()["access_token"], workspace)

    return sign_in


@pytest_asyncio.fixture
async def admin(sign_in: SignIn) -> httpx.AsyncClient:
    """The platform administrator, logged in."""
    return await sign_in(ADMIN)


@pytest_asyncio.fixture
async def add_user(admin: httpx.AsyncClient) -> AddUser:
    """Create a user with the usual password."""

    async def add_user(email: str) -> dict[str, Any]:
        answer = await admin.post("/users", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        user: dict[str, Any] = answer.json()
        return user

    return add_user


@pytest_asyncio.fixture
async def make_workspace(admin: httpx.AsyncClient, cluster_with_roles: ControlPlane) -> AsyncIterator[MakeWorkspace]:
    """Create a workspace, its namespace and role bindings as the operator would, and return its slug.

    `await make_workspace("a", {"you@acme.eu": "editor"})`; the slug gets a random tail, for the cluster is shared.
    """
    made: list[str] = []

    async def make(prefix: str = "w", members: dict[str, str] | None = None, **fields: Any) -> str:
        slug = f"{prefix}-{secrets.token_hex(3)}"
        body = {
            "name": prefix.title(),
            "slug": slug,
            "members": [{"user": user, "role": role} for user, role in (members or {}).items()],
        }
        answer = await admin.post("/workspaces", json=body | fields)
        assert answer.status_code == 201, answer.text
        made.append(slug)
        cluster_with_roles.client.apply(*_children_of(cluster_with_roles.client.get(WORKSPACES, slug)))
        return slug

    yield make
    for slug in made:
        cluster_with_roles.client.delete(WORKSPACES, slug)
        # The namespace stays until the control plane goes: to delete it, its controller asks for every kind there is.
        for kind in OURS:
            cluster_with_roles.client.delete_all(kind, namespace_of(slug))


@pytest.fixture(scope="session")
def lakehouses() -> list[str]:
    """The slugs of the lakehouses made so far."""
    return []


@pytest.fixture
def make_lakehouse(
    lakehouses: list[str],
    make_workspace: MakeWorkspace,
    cluster_with_roles: ControlPlane,
    embedded_catalog: RunningCatalog,
) -> MakeLakehouse:
    """Create a workspace with a catalog, an object store and the Secrets that open them."""

    async def make(prefix: str = "w", members: dict[str, str] | None = None, **fields: Any) -> Lakehouse:
        lakehouses.append(await make_workspace(prefix, members, **fields))
        return await furnish(cluster_with_roles, embedded_catalog, lakehouses)

    return make


def _children_of(workspace: dict[str, Any]) -> list[dict[str, Any]]:
    slug = workspace["metadata"]["name"]
    namespace = f"icefield-{slug}"
    items: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]
    items += [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"icefield-{role}", "namespace": namespace},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"icefield-{role}",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"icefield:{slug}:{role}"}],
        }
        for role in ("viewer", "editor", "admin")
    ]
    items += build.admin_access(Workspace.model_validate(workspace))
    items.append(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ENVIRONMENT_SECRET, "namespace": namespace}}
    )
    return items
