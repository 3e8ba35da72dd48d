"""REST schemas of volumes and their files."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from icefield_apiserver.core.catalog.names import NameField
from icefield_apiserver.core.execution import OptionalText
from icefield_apiserver.core.objects.workspace_stores import FileEntry
from icefield_apiserver.core.schemas import RequestBody

from .models import Volume
from .paths import sql_path

_LOCATION = "Its URI, which tasks, Polars workloads and Spark applications open."
_SQL_PATH = "Its path in SQL statements."


class VolumeCreate(RequestBody):
    """Request body to create a volume."""

    name: NameField = Field(description="Name of the volume: no dots, slashes or quotes.")
    description: OptionalText = Field(default=None, max_length=4096, description="Free-text description.")


class VolumeRead(BaseModel):
    """A volume: a folder of files in a database."""

    id: str = Field(description="Id of the volume.", examples=["vol_1f0c2a9155aa"])
    name: str = Field(description="Name of the volume.", examples=["raw"])
    database: str = Field(description="Name of its database.")
    description: str | None = Field(description="Free-text description.")
    location: str = Field(description="URI of its files, which the workspace's own keys can access.")
    created_by: str = Field(description="User or run that created it.")
    created_at: datetime = Field(description="When it was created.")


class FileRead(BaseModel):
    """A file, or a folder with files in it."""

    name: str = Field(description="Last part of the path.", examples=["patients.csv"])
    path: str = Field(description="Path in the volume.", examples=["2026/patients.csv"])
    type: Literal["file", "directory"] = Field(description="Whether it is a file or a folder.")
    is_directory: bool = Field(description="Whether it is a folder.")
    size: int = Field(description="Size in bytes; 0 for a folder.")
    modified_at: datetime | None = Field(description="When the file was last written; null for a folder.")
    location: str = Field(description=_LOCATION)
    sql_path: str = Field(description=_SQL_PATH, examples=["volumes/sales/raw/2026/patients.csv"])


class FileWritten(BaseModel):
    """An uploaded file."""

    name: str = Field(description="Last part of the path.")
    path: str = Field(description="Path in the volume.")
    size: int = Field(description="Size in bytes.")
    location: str = Field(description=_LOCATION)
    sql_path: str = Field(description=_SQL_PATH, examples=["volumes/sales/raw/2026/patients.csv"])


def volume_of(volume: Volume, location: str) -> VolumeRead:
    """Return a volume as REST shows it.

    Args:
        volume: the volume.
        location: URI of its files.
    """
    return VolumeRead(
        id=volume.id,
        name=volume.name,
        database=volume.database,
        description=volume.description,
        location=location,
        created_by=volume.created_by,
        created_at=volume.created_at,
    )


def file_of(entry: FileEntry, volume: Volume, location: str) -> FileRead:
    """Return a file or folder as REST shows it.

    Args:
        entry: the file or folder.
        volume: its volume.
        location: URI of the volume's files.
    """
    return FileRead(
        name=entry.path.rpartition("/")[2],
        path=entry.path,
        type="directory" if entry.is_directory else "file",
        is_directory=entry.is_directory,
        size=entry.size,
        modified_at=entry.modified,
        location=f"{location}/{entry.key}",
        sql_path=sql_path(volume.database, volume.name, entry.key),
    )


def written_of(path: str, size: int, volume: Volume, location: str) -> FileWritten:
    """Return an uploaded file as REST shows it.

    Args:
        path: its path in the volume.
        size: its size in bytes.
        volume: its volume.
        location: URI of the volume's files.
    """
    return FileWritten(
        name=path.rpartition("/")[2],
        path=path,
        size=size,
        location=f"{location}/{path}",
        sql_path=sql_path(volume.database, volume.name, path),
    )
