"""A colleague enters: by the command line, and with what `icefield env --admin` prints."""

from __future__ import annotations

import secrets

import httpx
import pytest

from icefield_cluster import people
from icefield_cluster.errors import ClusterError
from icefield_cluster.lifecycle import administrator_environment
from tests.platform import Platform

pytestmark = pytest.mark.e2e


def test_a_user_is_added_and_enters(platform: Platform) -> None:
    state = platform.state
    email = f"colleague-{secrets.token_hex(4)}@acme.eu"
    added = people.add_user(state, email, "demo", "viewer")
    assert added.password
    trusted = {"verify": str(state.ca_bundle), "base_url": f"{state.api_url}/api/v1", "trust_env": False}
    with httpx.Client(**trusted) as client:
        login = client.post("/auth/login", json={"email": email, "password": added.password})
        own = {"Authorization": f"Bearer {login.json()['access_token']}"}
        assert client.get("/auth/me", headers=own).json()["role"] == "viewer"
        # Again, with another role: the password stays.
        assert people.add_user(state, email, "demo", "editor").password is None
        assert client.get("/auth/me", headers=own).json()["role"] == "editor"
        admin = {"Authorization": f"Bearer {administrator_environment(state)['POLNOR_TOKEN']}"}
        assert email in {
            user["email"] for user in client.get("/users", headers=admin, params={"limit": 100}).json()["data"]
        }
        assert client.delete(f"/workspaces/demo/members/{email}", headers=admin).status_code == 204
        assert client.delete(f"/users/{email}", headers=admin).status_code == 204


@pytest.mark.parametrize(("email", "workspace"), [("not an address", "demo"), ("who@acme.eu", "nowhere")])
def test_what_cannot_be_is_said_in_a_sentence(platform: Platform, email: str, workspace: str) -> None:
    state = platform.state
    with pytest.raises(ClusterError, match="did not become a user"):
        people.add_user(state, email, workspace, "editor")
