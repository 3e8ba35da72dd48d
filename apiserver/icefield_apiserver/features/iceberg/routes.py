"""The Iceberg REST protocol at /iceberg, for external engines: PyIceberg, DuckDB, Spark, Trino, …

A warehouse is a workspace; the bearer token is an API key, a log-in token or a run's token.
"""

from __future__ import annotations

from typing import Annotated, Any, cast
from urllib.parse import parse_qs

from fastapi import Depends, Header, Query, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials

from icefield_apiserver.core.bodies import CREDENTIALS_BYTES, MIB
from icefield_apiserver.core.catalog.names import catalog_names
from icefield_apiserver.core.errors import Forbidden, NotFound, Unauthorized
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router, without_body
from icefield_apiserver.identity.authentication import Authenticator
from icefield_apiserver.identity.dependencies import bearer
from icefield_apiserver.identity.principal import Caller
from icefield_crds import Workspace

from .errors import IcebergRoute
from .operations import find_call
from .service import IcebergService, SentRequest

PATH = "/iceberg/v1"
MAX_BODY_BYTES = 16 * MIB
"""Longest commit: one of several tables has the changed metadata of all."""

router = Router(prefix=PATH, route_class=IcebergRoute, include_in_schema=False)

Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
Slug = Annotated[str | None, Header(alias="X-Workspace-Slug")]
CurrentAuthenticator = Annotated[Authenticator, Depends(provided(Authenticator))]
Iceberg = Annotated[IcebergService, Depends(provided(IcebergService))]


@router.get("/config")
async def read_iceberg_config(
    credentials: Credentials,
    authenticator: CurrentAuthenticator,
    iceberg: Iceberg,
    slug: Slug = None,
    warehouse: Annotated[str | None, Query()] = None,
) -> dict[str, Any]:
    """Return the prefix of the workspace's catalog and the endpoints that it supports."""
    workspace = await _workspace(authenticator, _token(credentials), slug or None, warehouse or None)
    return await iceberg.configuration(workspace.metadata.name)


@router.post("/oauth/tokens", max_body_size=CREDENTIALS_BYTES)
async def exchange_iceberg_token(request: Request, authenticator: CurrentAuthenticator) -> JSONResponse:
    """Grant client credentials (RFC 6749, 4.4) whose secret is an API key; the token is that key."""
    form = {key: values[-1] for key, values in parse_qs((await request.body()).decode(errors="replace")).items()}
    grant = form.get("grant_type", "")
    if grant not in ("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"):
        return _oauth_error(400, "unsupported_grant_type", "Only client_credentials and token-exchange are supported.")
    secret = form.get("client_secret") or form.get("subject_token") or ""
    try:
        await authenticator.authenticate(secret, None)
    except Unauthorized as error:
        return _oauth_error(401, "invalid_client", error.sentence)
    token_type = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind of token
    return JSONResponse(
        {"access_token": secret, "token_type": "bearer", "issued_token_type": token_type},
        headers={"Cache-Control": "no-store"},
    )


@router.api_route("/{prefix}/{path:path}", methods=["GET", "HEAD", "POST", "DELETE"], max_body_size=MAX_BODY_BYTES)
async def call_iceberg_catalog(
    request: Request, prefix: str, credentials: Credentials, authenticator: CurrentAuthenticator, iceberg: Iceberg
) -> Response:
    """Forward a call to the workspace's catalog; HEAD is answered as GET where the protocol has no HEAD."""
    caller = await authenticator.authenticate(_token(credentials), prefix)
    principal = caller.principal
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    path = raw.partition(b"?")[0].decode("ascii", "replace").split("/", 4)[-1]
    call = find_call(request.method, path)
    if principal is None or caller.workspace is None or principal.workspace != prefix or call is None:
        raise NotFound(f"Not found: {request.method} {request.url.path}.")
    if not principal.may(role := call.operation.role):
        raise Forbidden(f"This needs the role {role.value}; yours is {principal.role.value}.")
    is_head = request.method == "HEAD"
    sent = SentRequest(path, request.url.query, request.headers, await request.body(), wants_body=not is_head)
    answer = await iceberg.forward(principal, call, sent, catalog_names(caller.workspace))
    return await without_body(answer) if is_head else answer


async def _workspace(authenticator: Authenticator, token: str, slug: str | None, warehouse: str | None) -> Workspace:
    """Return the workspace that a client names as its warehouse, by slug, id or alias; else the token's own.

    Raises:
        Forbidden: the caller is a member of no workspace.
        NotFound: it does not exist, or the caller is not a member.
    """
    own = (await authenticator.authenticate(token, slug)).workspace
    if own and (warehouse is None or warehouse == own.public_id or warehouse.lower() in catalog_names(own)):
        return own
    if warehouse is None:
        raise Forbidden("You are not a member of any workspace.")
    try:
        asked: Caller = await authenticator.authenticate(token, warehouse)
    except NotFound as error:
        raise NotFound(f"There is no warehouse {warehouse}.") from error
    return cast(Workspace, asked.workspace)


def _token(credentials: HTTPAuthorizationCredentials | None) -> str:
    if credentials is None:
        raise Unauthorized
    return credentials.credentials


def _oauth_error(status: int, error: str, description: str) -> JSONResponse:
    """Return an OAuth error response (RFC 6749, 5.2), which clients expect of this call."""
    return JSONResponse({"error": error, "error_description": description}, status)
