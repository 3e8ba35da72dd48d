"""Loading files into tables, and looking at them before."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from icefield_apiserver.core.bodies import is_json
from icefield_apiserver.core.dependencies import CurrentSettings, IdempotencyKey, Place
from icefield_apiserver.core.errors import TooLarge
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.forms import FORM_BYTES, UploadForm, form_of
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import Editor
from icefield_crds.wire.gateway import FINAL_PHASES

from .schemas import (
    FileOptions,
    LoadOptions,
    LoadRequest,
    LoadResult,
    Preview,
    PreviewRequest,
    load_of,
    preview_of,
    result_of,
)
from .service import Load, LoadService

T = TypeVar("T", bound=FileOptions)

router = Router(prefix="/databases/{id}", tags=["Loads"])

Loads = Annotated[LoadService, Depends(provided(LoadService))]
IN_SCHEMA = "/schemas/{schema}"
_RUNS_ON: dict[int | str, dict[str, Any]] = {
    202: {"model": LoadResult, "description": "It has not ended within wait_timeout."}
}


def _body(form: type[FileOptions], json: type[FileOptions]) -> dict[str, Any]:
    """Return what OpenAPI says of a route that takes a form with a file, or the path of one in JSON."""
    fields = {name: field.description or "" for name, field in form.model_fields.items()}
    body: dict[str, Any] = form_of(fields, file="The file.", filename="trips.csv")
    body["requestBody"]["content"]["application/json"] = {"schema": json.model_json_schema()}
    return body


@router.post(
    "/tables/{table}/load",
    summary="Load files into a table",
    openapi_extra=_body(LoadOptions, LoadRequest),
    responses=_RUNS_ON,
)
@router.post(
    f"{IN_SCHEMA}/tables/{{table}}/load",
    name="load_in_schema",
    summary="Load files into a schema's table",
    openapi_extra=_body(LoadOptions, LoadRequest),
    responses=_RUNS_ON,
)
async def load_files(
    principal: Editor,
    place: Place,
    table: str,
    request: Request,
    response: Response,
    loads: Loads,
    settings: CurrentSettings,
    idempotency_key: IdempotencyKey = None,
) -> LoadResult:
    """Load a file that the form has, or files of the workspace, as COPY INTO does; each file of the workspace once.

    What fails while it is loaded is 200 with status failed; 202 means that it runs on.
    """
    if is_json(request.headers.get("content-type", "")):
        body = _checked(LoadRequest, await request.json())
        loaded = await loads.load(principal, place, table, load_of(body.path, body.path, body, idempotency_key))
    else:
        load = await _uploaded(LoadOptions, principal, request, loads, settings.max_upload_bytes)
        statement_id = None
        try:
            loaded = await loads.load(principal, place, table, load)
            statement_id = loaded.statement.id
        finally:
            loads.uploads.delete_after(principal, load.path, statement_id)
    if loaded.statement.status not in FINAL_PHASES:
        response.status_code = 202
    return result_of(loaded)


@router.post(
    "/tables/{table}/load/preview",
    summary="Look at files to be loaded",
    openapi_extra=_body(FileOptions, PreviewRequest),
)
@router.post(
    f"{IN_SCHEMA}/tables/{{table}}/load/preview",
    name="preview_in_schema",
    summary="Look at files to be loaded into a schema's table",
    openapi_extra=_body(FileOptions, PreviewRequest),
)
async def preview_files(
    principal: Editor, place: Place, table: str, request: Request, loads: Loads, settings: CurrentSettings
) -> Preview:
    """Return the columns with inferred types and the first hundred rows; nothing is written to any table."""
    if is_json(request.headers.get("content-type", "")):
        body = _checked(PreviewRequest, await request.json())
        return preview_of(await loads.preview(principal, load_of(body.path, body.path, body)))
    load = await _uploaded(FileOptions, principal, request, loads, settings.max_upload_bytes)
    try:
        return preview_of(await loads.preview(principal, load))
    finally:
        loads.uploads.delete_after(principal, load.path, None)


async def _uploaded(options: type[T], principal: Editor, request: Request, loads: LoadService, max_bytes: int) -> Load:
    """Store the file of a form, and return what is loaded."""
    if int(request.headers.get("content-length") or 0) > max_bytes + FORM_BYTES:
        raise TooLarge(f"The file is longer than {max_bytes} bytes.")
    form = UploadForm(request.headers.get("content-type", ""), request.stream(), expected=tuple(options.model_fields))
    await form.find_file()
    body = _checked(options, form.fields)
    name = _safe((form.filename or "file").replace("\\", "/").rpartition("/")[2])
    load = load_of("", name, body)
    return replace(load, path=await loads.uploads.write(principal, name, form.file(), max_bytes))


def _safe(name: str) -> str:
    """Return a name of a file without the characters that paths in statements cannot have."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "file"


def _checked(schema: type[T], fields: Any) -> T:
    """Return a body of a schema.

    Raises:
        RequestValidationError: it is none.
    """
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(found, body=fields) from error
