"""Volumes: folders of files in databases, as in the published SDK."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse

from icefield_apiserver.core.dependencies import CurrentSettings
from icefield_apiserver.core.errors import TooLarge
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.forms import FORM_BYTES, UploadForm, form_of
from icefield_apiserver.core.pagination import CurrentOpenWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor

from .schemas import FileRead, FileWritten, VolumeCreate, VolumeRead, file_of, volume_of, written_of
from .service import UploadedFile, VolumeService

router = Router(prefix="/databases/{id}/volumes", tags=["Volumes"])

Volumes = Annotated[VolumeService, Depends(provided(VolumeService))]

_FORM = form_of(
    {"path": "Path of the file, or of its folder with a trailing slash; before the file."},
    file="The file.",
    filename="orders.csv",
)
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
) -> Page[VolumeRead]:
    """Return the database's volumes by name; all of them without `limit`."""
    location = await volumes.root(principal)
    return await volumes.page(principal, id, window, lambda volume: volume_of(volume, location(volume)))


@router.post("", status_code=201, summary="Create a volume")
async def create_volume(
    principal: Editor,
    id: str,  # noqa: A002
    body: VolumeCreate,
    volumes: Volumes,
) -> VolumeRead:
    """Create an empty volume in a database."""
    location = await volumes.root(principal)
    volume = await volumes.create(principal, id, body.name, body.description)
    return volume_of(volume, location(volume))


@router.get("/{volume}", summary="Read a volume")
async def read_volume(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    volume: str,
    volumes: Volumes,
) -> VolumeRead:
    """Return one volume, by name or id."""
    location = await volumes.root(principal)
    found = await volumes.get(principal, id, volume)
    return volume_of(found, location(found))


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
    path: Annotated[str, Query(max_length=1024, description="Folder to list; the volume itself when absent.")] = "",
) -> Page[FileRead]:
    """Return the files and folders directly in a folder; the path of a file returns that file."""
    found = await volumes.get(principal, id, volume)
    location = (await volumes.root(principal))(found)
    page = await volumes.list_files(principal, found, path, window)
    return Page(data=[file_of(entry, found, location) for entry in page.data], next_cursor=page.next_cursor)


@router.post("/{volume}/files", status_code=201, summary="Upload a file", openapi_extra=_FORM)
async def upload_file(
    principal: Editor,
    id: str,  # noqa: A002
    volume: str,
    request: Request,
    volumes: Volumes,
    settings: CurrentSettings,
) -> FileWritten:
    """Write a file, replacing an existing one. The body is streamed to the object store."""
    max_bytes = settings.max_upload_bytes
    if int(request.headers.get("content-length") or 0) > max_bytes + FORM_BYTES:
        raise TooLarge(f"The file is longer than {max_bytes} bytes.")
    found = await volumes.get(principal, id, volume)
    form = UploadForm(request.headers.get("content-type", ""), request.stream())
    await form.find_file()
    file = UploadedFile(form.fields.get("path"), form.filename, form.content_type, form.file(), max_bytes)
    location = (await volumes.root(principal))(found)
    path, size = await volumes.upload(principal, found, file)
    return written_of(path, size, found, location)


@router.delete("/{volume}/files", status_code=204, summary="Delete a file")
async def delete_file(
    principal: Editor,
    id: str,  # noqa: A002
    volume: str,
    path: FilePath,
    volumes: Volumes,
) -> None:
    """Delete one file."""
    await volumes.delete_file(principal, id, volume, path)


@router.get("/{volume}/files/download", summary="Download a file", response_class=StreamingResponse, responses=_BYTES)
async def download_file(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    volume: str,
    path: FilePath,
    request: Request,
    volumes: Volumes,
) -> StreamingResponse:
    """Return a file, or the range of it that the header Range requests."""
    name, download = await volumes.download(principal, id, volume, path, request.headers.get("range"))
    headers = {
        **download.headers,
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(download.chunks, download.status, headers=headers, media_type="application/octet-stream")
