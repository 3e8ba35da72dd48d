"""The Iceberg REST protocol at /iceberg, for engines outside the platform: PyIceberg, DuckDB, Spark, Trino, …

A warehouse is a workspace; the bearer token is an API key, a log-in token or a run's token.
"""

from __future__ import annotations

from typing import Annotated, Any, cast
from urllib.parse import parse_qs

from fastapi import APIRouter, Header, Query, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials

from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.catalog.names import catalog_names
from icefield_apiserver.errors import Forbidden, NotFound, Unauthorized
from icefield_apiserver.iceberg.errors import IcebergRoute
from icefield_apiserver.iceberg.operations import advertised, find_call
from icefield_apiserver.iceberg.proxy import Proxy
from icefield_apiserver.identity.authentication import Authenticator
from icefield_apiserver.identity.principal import Caller, bearer
from icefield_crds import Workspace

PATH = "/iceberg/v1"

router = APIRouter(prefix=PATH, route_class=IcebergRoute, include_in_schema=False)

Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
Slug = Annotated[str | None, Header(alias="X-Workspace-Slug")]


@router.get("/config")
async def read_iceberg_config(
    request: Request, credentials: Credentials, slug: Slug = None, warehouse: Annotated[str | None, Query()] = None
) -> dict[str, Any]:
    """Say under which prefix the workspace's catalog is, and what it serves."""
    workspace = await _workspace(request, _token(credentials), slug or None, warehouse or None)
    catalogs: Catalogs = request.app.state.catalogs
    endpoints = advertised((await catalogs.of(workspace.metadata.name).config()).endpoints)
    said: dict[str, Any] = {"defaults": {}, "overrides": {"prefix": workspace.metadata.name}}
    return said if endpoints is None else {**said, "endpoints": endpoints}


@router.post("/oauth/tokens")
async def exchange_iceberg_token(request: Request) -> JSONResponse:
    """Answer a client-credentials grant (RFC 6749, 4.4) whose secret is an API key with that key as the token."""
    form = {key: values[-1] for key, values in parse_qs((await request.body()).decode(errors="replace")).items()}
    grant = form.get("grant_type", "")
    if grant not in ("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"):
        return _oauth_error(400, "unsupported_grant_type", "Only client_credentials and token-exchange are served.")
    secret = form.get("client_secret") or form.get("subject_token") or ""
    try:
        await _authenticator(request).authenticate(secret, None)
    except Unauthorized as error:
        return _oauth_error(401, "invalid_client", error.sentence)
    token_type = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind of token
    return JSONResponse(
        {"access_token": secret, "token_type": "bearer", "issued_token_type": token_type},
        headers={"Cache-Control": "no-store"},
    )


@router.api_route("/{prefix}/{path:path}", methods=["GET", "HEAD", "POST", "DELETE"])
async def call_iceberg_catalog(request: Request, prefix: str, credentials: Credentials) -> Response:
    """Pass a call on to the workspace's catalog."""
    caller = await _authenticator(request).authenticate(_token(credentials), prefix)
    principal = caller.principal
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    path = raw.partition(b"?")[0].decode("ascii", "replace").split("/", 4)[-1]
    call = find_call(request.method, path)
    if principal is None or caller.workspace is None or principal.workspace != prefix or call is None:
        raise NotFound(f"There is nothing at {request.url.path} for {request.method}.")
    proxy: Proxy = request.app.state.iceberg
    query = request.url.query
    names = catalog_names(caller.workspace)
    return await proxy.pass_on(principal, call, path, query, request.headers, await request.body(), names)


async def _workspace(request: Request, token: str, slug: str | None, warehouse: str | None) -> Workspace:
    """Return the workspace that a client asks for as a warehouse: by slug, id or alias, or the token's own.

    Raises:
        Forbidden: the caller is a member of no workspace.
        NotFound: there is none, or it is not the caller's.
    """
    authenticator = _authenticator(request)
    own = (await authenticator.authenticate(token, slug)).workspace
    if own and (warehouse is None or warehouse == own.public_id or warehouse.lower() in catalog_names(own)):
        return own
    if warehouse is None:
        raise Forbidden("You are not a member of any workspace.")
    try:
        asked: Caller = await authenticator.authenticate(token, warehouse)
    except NotFound as error:
        raise NotFound(f"There is no warehouse called {warehouse}.") from error
    return cast(Workspace, asked.workspace)


def _authenticator(request: Request) -> Authenticator:
    return cast(Authenticator, request.app.state.authenticator)


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise Unauthorized
    return credentials.credentials


def _oauth_error(status: int, error: str, description: str) -> JSONResponse:
    """Return an error in OAuth's own shape (RFC 6749, 5.2), which clients expect of this one call."""
    return JSONResponse({"error": error, "error_description": description}, status)
