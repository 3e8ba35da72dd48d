"""Volumes and their files as REST says them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from icefield_apiserver.catalog.names import MAX_LENGTH

from .execution import OptionalText


class VolumeCreate(BaseModel):
    """A volume that shall be."""

    name: Annotated[
        str, Field(min_length=1, max_length=MAX_LENGTH, description="What it is called: no dots, slashes or quotes.")
    ]
    description: OptionalText = Field(default=None, max_length=4096, description="What it is for.")


class VolumeRead(BaseModel):
    """A volume: a folder of files in a database."""

    id: str = Field(description="Id of the volume.", examples=["vol_1f0c2a9155aa"])
    name: str = Field(description="Its name.", examples=["raw"])
    database: str = Field(description="The database it is in.")
    description: str | None = Field(description="What it is for.")
    location: str = Field(description="Where its files lie; the workspace's own keys open them.")
    created_by: str = Field(description="Who made it.")
    created_at: datetime = Field(description="When it was made.")


class FileRead(BaseModel):
    """A file, or a folder with files in it."""

    name: str = Field(description="The end of its path.", examples=["patients.csv"])
    path: str = Field(description="Its path in the volume.", examples=["2026/patients.csv"])
    type: Literal["file", "directory"] = Field(description="Which of the two.")
    is_directory: bool = Field(description="Whether it is a folder.")
    size: int = Field(description="Bytes; 0 for a folder.")
    modified_at: datetime | None = Field(description="When the file was last written; null for a folder.")


class FileWritten(BaseModel):
    """A file that was just uploaded."""

    name: str = Field(description="The end of its path.")
    path: str = Field(description="Its path in the volume.")
    size: int = Field(description="Its bytes.")
