"""Volumes: folders of files in databases, as the published SDK calls them."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from icefield_apiserver.db.models import Volume
from icefield_apiserver.db.pages import after_text
from icefield_apiserver.errors import BadRequest, NotFound
from icefield_apiserver.identity.principal import CurrentPrincipal, Editor, Principal
from icefield_apiserver.pagination import CurrentOpenWindow, Page, encode_cursor
from icefield_apiserver.repositories.dependencies import Stores, Volumes
from icefield_apiserver.schemas.volumes import FileRead, FileWritten, VolumeCreate, VolumeRead
from icefield_apiserver.state import CurrentSecrets, CurrentSettings
from icefield_apiserver.volumes.form import UploadForm
from icefield_apiserver.volumes.paths import normalised, of_file, of_upload
from icefield_apiserver.volumes.store import Entry

router = APIRouter(prefix="/databases/{id}/volumes", tags=["Volumes"])

UPLOAD = r"/api/v1/databases/[^/]+/volumes/[^/]+/files"
"""The one path whose body may be longer than others: it is streamed."""
_FORM_BYTES = 1024 * 1024
MAX_FILES = 100_000
"""Most files of a list without `limit`; what is beyond comes with `cursor`."""
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "path": {
                            "type": "string",
                            "description": "Where it belongs; a folder when it ends with a slash. Before the file.",
                        },
                        "file": {"type": "string", "format": "binary", "description": "The file."},
                    },
                }
            }
        },
    }
}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}

FilePath = Annotated[str, Query(min_length=1, max_length=1024, description="Path of the file in the volume.")]


@router.get("", summary="List a database's volumes")
async def list_volumes(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002 - as the reference has it
    window: CurrentOpenWindow,
    volumes: Volumes,
    secrets: CurrentSecrets,
) -> Page[VolumeRead]:
    """Return the database's volumes by name: all of them, unless `limit` says otherwise."""
    bucket = (await secrets.object_store(principal.workspace)).bucket
    return await volumes.page(principal, id, window, lambda volume: _volume(principal, volumes, volume, bucket))


@router.post("", status_code=201, summary="Create a volume")
async def create_volume(
    principal: Editor,
    id: str,  # noqa: A002
    body: VolumeCreate,
    volumes: Volumes,
    secrets: CurrentSecrets,
) -> VolumeRead:
    """Create an empty volume in a database."""
    bucket = (await secrets.object_store(principal.workspace)).bucket
    return _volume(principal, volumes, await volumes.create(principal, id, body.name, body.description), bucket)


@router.get("/{volume}", summary="Read a volume")
async def read_volume(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    volume: str,
    volumes: Volumes,
    secrets: CurrentSecrets,
) -> VolumeRead:
    """Return one volume, by name or id."""
    bucket = (await secrets.object_store(principal.workspace)).bucket
    return _volume(principal, volumes, await volumes.get(principal, id, volume), bucket)


@router.delete("/{volume}", status_code=204, summary="Delete a volume")
async def delete_volume(
    principal: Editor,
    id: str,  # noqa: A002
    volume: str,
    volumes: Volumes,
    force: Annotated[bool, Query(description="Delete its files as well.")] = False,
) -> None:
    """Delete a volume; 409 while it holds files, unless `force=true`."""
    await volumes.delete(principal, id, volume, with_files=force)


@router.get("/{volume}/files", summary="List files of a volume")
async def list_files(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    volume: str,
    window: CurrentOpenWindow,
    volumes: Volumes,
    stores: Stores,
    path: Annotated[str, Query(max_length=1024, description="Folder to list; the volume itself when absent.")] = "",
) -> Page[FileRead]:
    """Return the files and folders directly in a folder; a path that names a file gives that file."""
    found = await volumes.get(principal, id, volume)
    prefix, folder = volumes.prefix(principal, found), normalised(path)
    after = after_text(window)
    most = min(window.limit, MAX_FILES)
    entries = await stores.list(principal.workspace, prefix, folder, after, most + 1)
    if folder and not entries and after is None:
        try:
            entries = [await stores.find(principal.workspace, prefix, folder)]
        except NotFound:
            raise NotFound(f"There is no file or folder {folder} in volume {volume}.") from None
    shown = entries[:most]
    more = encode_cursor((shown[-1].key,)) if len(entries) > len(shown) else None
    return Page(data=[_file(entry) for entry in shown], next_cursor=more)


@router.post("/{volume}/files", status_code=201, summary="Upload a file", openapi_extra=_FORM)
async def upload_file(
    principal: Editor,
    id: str,  # noqa: A002
    volume: str,
    request: Request,
    volumes: Volumes,
    stores: Stores,
    settings: CurrentSettings,
) -> FileWritten:
    """Write a file, in place of the one that is there. It goes on to the object store as it comes."""
    longest = settings.max_upload_bytes
    if int(request.headers.get("content-length") or 0) > longest + _FORM_BYTES:
        raise BadRequest(f"The file is longer than {longest} bytes.")
    found = await volumes.get(principal, id, volume)
    form = UploadForm(request.headers.get("content-type", ""), request.stream())
    await form.find_file()
    path = of_upload(form.fields.get("path"), form.filename)
    media_type = form.content_type or mimetypes.guess_type(path)[0] or "application/octet-stream"
    prefix = volumes.prefix(principal, found)
    size = await stores.write(principal.workspace, prefix, path, media_type, form.file(), longest)
    return FileWritten(name=path.rpartition("/")[2], path=path, size=size)


@router.delete("/{volume}/files", status_code=204, summary="Delete a file")
async def delete_file(
    principal: Editor,
    id: str,  # noqa: A002
    volume: str,
    path: FilePath,
    volumes: Volumes,
    stores: Stores,
) -> None:
    """Delete one file."""
    found = await volumes.get(principal, id, volume)
    await stores.delete(principal.workspace, volumes.prefix(principal, found), of_file(path))


@router.get("/{volume}/files/download", summary="Download a file", response_class=StreamingResponse, responses=_BYTES)
async def download_file(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    volume: str,
    path: FilePath,
    request: Request,
    volumes: Volumes,
    stores: Stores,
) -> StreamingResponse:
    """Return a file, or the part of it that the header Range asks for."""
    found = await volumes.get(principal, id, volume)
    clean = of_file(path)
    prefix = volumes.prefix(principal, found)
    download = await stores.read(principal.workspace, prefix, clean, request.headers.get("range"))
    name = quote(clean.rpartition("/")[2], safe="")
    headers = {
        **download.headers,
        "Content-Disposition": f"attachment; filename*=utf-8''{name}",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(download.chunks, download.status, headers=headers, media_type="application/octet-stream")


def _volume(principal: Principal, volumes: Volumes, volume: Volume, bucket: str) -> VolumeRead:
    return VolumeRead(
        id=volume.id,
        name=volume.name,
        database=volume.database,
        description=volume.description,
        location=f"s3://{bucket}/{volumes.prefix(principal, volume)}",
        created_by=volume.created_by,
        created_at=volume.created_at,
    )


def _file(entry: Entry) -> FileRead:
    return FileRead(
        name=entry.path.rpartition("/")[2],
        path=entry.path,
        type="directory" if entry.is_directory else "file",
        is_directory=entry.is_directory,
        size=entry.size,
        modified_at=entry.modified,
    )
