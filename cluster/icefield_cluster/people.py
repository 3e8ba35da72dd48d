"""People of a cluster that `icefield` made, managed as its first administrator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import httpx

from icefield_cluster.errors import ClusterError
from icefield_cluster.install.api import Api
from icefield_cluster.install.generated import ADMIN_EMAIL
from icefield_cluster.state import ClusterState

PASSWORD_BYTES = 15


@dataclass(frozen=True)
class AddedUser:
    """A person who can log in.

    Attributes:
        email: the e-mail address.
        password: the new user's; None for one who was there already and keeps the old one.
    """

    email: str
    password: str | None


def administrator_token(state: ClusterState) -> str:
    """Return a log-in token of the first administrator, valid for an hour.

    Raises:
        ClusterError: the log-in was refused, or the API server cannot be reached.
    """
    api = Api(state.api_url, state.ca_bundle)
    password = state.admin_password.read_text(encoding="utf-8").strip()
    login = _call(api, "POST", "/api/v1/auth/login", None, {"email": ADMIN_EMAIL, "password": password})
    return str(_checked(login, f"{ADMIN_EMAIL} could not log in").json()["access_token"])


def add_user(state: ClusterState, email: str, workspace: str, role: str) -> AddedUser:
    """Make a user with a password of their own, where there is none, and give the user a role in a workspace.

    Args:
        state: the cluster.
        email: the user's.
        workspace: slug.
        role: viewer, editor or admin.

    Raises:
        ClusterError: the API server refused, or cannot be reached.
    """
    api, token = Api(state.api_url, state.ca_bundle), administrator_token(state)
    found = _call(api, "GET", f"/api/v1/workspaces/{workspace}", token)
    _checked(found, f"{email} did not become a user")
    password: str | None = secrets.token_urlsafe(PASSWORD_BYTES)
    made = _call(api, "POST", "/api/v1/users", token, {"email": email, "password": str(password)})
    if made.status_code == httpx.codes.CONFLICT:
        password = None
    else:
        _checked(made, f"{email} did not become a user")
    member = _call(api, "PUT", f"/api/v1/workspaces/{workspace}/members/{email}", token, {"role": role})
    _checked(member, f"{email} did not become a member of {workspace}")
    return AddedUser(email, password)


def _call(
    api: Api, method: str, path: str, token: str | None = None, body: dict[str, str] | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with api.client() as client:
            return client.request(method, path, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise ClusterError(f"the API server at {api.url} cannot be reached: {error}") from error


def _checked(answer: httpx.Response, what: str) -> httpx.Response:
    if not answer.is_success:
        raise ClusterError(f"{what}: {answer.json().get('error', answer.status_code)}")
    return answer
