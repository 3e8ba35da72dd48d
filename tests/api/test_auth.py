"""Logging in, and who one then is."""

from __future__ import annotations

import httpx
import jwt
import pytest

from icefield_apiserver.core.settings import Settings
from icefield_apiserver.identity.failures import PER_PERSON_AND_ADDRESS

from .conftest import ADMIN, PASSWORD, AddUser, MakeWorkspace, SignIn

pytestmark = pytest.mark.integration


async def test_login_answers_as_the_reference_says(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post("/auth/login", json={"email": ADMIN.upper(), "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)


async def test_wrong_password_and_unknown_user_look_alike(anonymous: httpx.AsyncClient) -> None:
    wrong = await anonymous.post("/auth/login", json={"email": ADMIN, "password": "wrong"})
    unknown = await anonymous.post("/auth/login", json={"email": "nobody@icefield.local", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json() == {"error": "The e-mail address or the password is wrong."}


async def test_too_many_failures_are_refused_with_the_limit(anonymous: httpx.AsyncClient) -> None:
    attempt = {"email": ADMIN, "password": "wrong"}
    for _ in range(PER_PERSON_AND_ADDRESS):
        assert (await anonymous.post("/auth/login", json=attempt)).status_code == 401
    answer = await anonymous.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
    assert answer.status_code == 429
    assert "max_failed_logins=10, current=10" in answer.json()["error"]
    assert 0 < int(answer.headers["Retry-After"]) <= 300


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "Bearer icf_00000000_" + "a" * 43]
)
async def test_bad_tokens_are_401(anonymous: httpx.AsyncClient, header: str | None) -> None:
    answer = await anonymous.get("/auth/me", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json().keys() == {"error"}


async def test_tokens_signed_otherwise_are_401(anonymous: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    good = admin.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(good, options={"verify_signature": False})
    forged = jwt.encode(claims, "another key of thirty-two characters", algorithm="HS256")
    unsigned = jwt.encode(claims, None, algorithm="none")
    for token in (forged, unsigned):
        answer = await anonymous.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


async def test_expired_token_is_401(anonymous: httpx.AsyncClient, admin: httpx.AsyncClient, settings: Settings) -> None:
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    key = settings.session_key.get_secret_value()
    claims = jwt.decode(token, key, algorithms=["HS256"], audience="icefield-session")
    expired = jwt.encode(claims | {"exp": claims["iat"] - 1}, key, algorithm="HS256")
    answer = await anonymous.get("/auth/me", headers={"Authorization": f"Bearer {expired}"})
    assert answer.status_code == 401


async def test_refresh_answers_a_fresh_token(admin: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    answer = await admin.post("/auth/refresh")
    assert answer.status_code == 200
    token = answer.json()["access_token"]
    assert (await anonymous.get("/auth/me", headers={"Authorization": f"Bearer {token}"})).json()["email"] == ADMIN


async def test_a_session_cannot_be_refreshed_for_ever(
    admin: httpx.AsyncClient, anonymous: httpx.AsyncClient, settings: Settings
) -> None:
    token = admin.headers["Authorization"].removeprefix("Bearer ")
    key = settings.session_key.get_secret_value()
    claims = jwt.decode(token, key, algorithms=["HS256"], audience="icefield-session")
    old = jwt.encode(claims | {"auth_time": claims["auth_time"] - 8 * 86400}, key, algorithm="HS256")
    answer = await anonymous.post("/auth/refresh", headers={"Authorization": f"Bearer {old}"})
    assert answer.status_code == 401


async def test_me_names_role_and_workspaces(make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn) -> None:
    await add_user("ed@acme.eu")
    first = await make_workspace("aa", {"Ed@acme.eu": "editor"})
    second = await make_workspace("bb", {"ed@acme.eu": "viewer"})
    await make_workspace("cc")
    ed = await sign_in("ed@acme.eu")
    assert (await ed.get("/auth/me")).json() == {
        "email": "ed@acme.eu",
        "name": "ed@acme.eu",
        "kind": "user",
        "role": "editor",
        "is_platform_admin": False,
        "workspace": {"slug": first, "namespace": f"icefield-{first}"},
        "workspaces": [
            {"slug": first, "namespace": f"icefield-{first}", "role": "editor"},
            {"slug": second, "namespace": f"icefield-{second}", "role": "viewer"},
        ],
    }


async def test_header_chooses_the_workspace(make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn) -> None:
    await add_user("ed@acme.eu")
    await make_workspace("aa", {"ed@acme.eu": "editor"})
    second = await make_workspace("bb", {"ed@acme.eu": "viewer"})
    other = await make_workspace("cc")
    ed = await sign_in("ed@acme.eu")
    chosen = await ed.get("/auth/me", headers={"X-Workspace-Slug": second})
    assert (chosen.json()["workspace"]["slug"], chosen.json()["role"]) == (second, "viewer")
    for slug in (other, "no-such-workspace"):
        refused = await ed.get("/auth/me", headers={"X-Workspace-Slug": slug})
        assert refused.status_code == 404
        assert refused.json() == {"error": f"Workspace {slug} does not exist."}


async def test_member_of_nothing_has_no_workspace(add_user: AddUser, sign_in: SignIn) -> None:
    await add_user("new@acme.eu")
    new = await sign_in("new@acme.eu")
    body = (await new.get("/auth/me")).json()
    assert (body["workspace"], body["role"], body["workspaces"]) == (None, None, [])


async def test_changing_the_password_ends_all_sessions(
    add_user: AddUser, sign_in: SignIn, anonymous: httpx.AsyncClient
) -> None:
    await add_user("ed@acme.eu")
    ed = await sign_in("ed@acme.eu")
    body = {"current_password": "wrong", "new_password": "another long password"}
    assert (await ed.post("/auth/password", json=body)).status_code == 403
    answer = await ed.post("/auth/password", json=body | {"current_password": PASSWORD})
    assert answer.status_code == 200
    assert (await ed.get("/auth/me")).status_code == 401
    fresh = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await anonymous.get("/auth/me", headers=fresh)).status_code == 200
    old = await anonymous.post("/auth/login", json={"email": "ed@acme.eu", "password": PASSWORD})
    assert old.status_code == 401
    await sign_in("ed@acme.eu", "another long password")


async def test_weak_new_password_is_400(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/auth/password", json={"current_password": PASSWORD, "new_password": "short"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Field new_password: ")


async def test_no_secret_is_logged(anonymous: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await anonymous.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
    await anonymous.post("/auth/login", json={"email": ADMIN, "password": PASSWORD, "x": [PASSWORD]})
    assert PASSWORD not in caplog.text
