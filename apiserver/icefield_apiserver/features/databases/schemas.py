"""REST schemas of databases and their schemas."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from icefield_apiserver.core.catalog.names import NameField, schema_of
from icefield_apiserver.core.execution import OptionalText
from icefield_apiserver.core.schemas import RequestBody

from .service import Database


class DatabaseCreate(RequestBody):
    """Request body to create a database."""

    name: NameField = Field(
        description="Name of the database: no dots, slashes or quotes, and not a name of the workspace's catalog."
    )
    description: OptionalText = Field(default=None, max_length=4096, description="Free-text description.")
    location: OptionalText = Field(
        default=None,
        max_length=2048,
        description="URI under which the database's tables are stored, below the workspace's prefix of the bucket.",
    )


class DatabaseRead(BaseModel):
    """A database: a namespace of the workspace's Iceberg catalog."""

    id: str = Field(description="Id of the database; equal to its name.", examples=["sales"])
    name: str = Field(description="Name of the database.", examples=["sales"])
    description: str | None = Field(description="Free-text description.")
    location: str | None = Field(description="URI under which its tables are stored; null when unknown.")
    created_at: datetime | None = Field(description="When it was created; null when unknown.")


class SchemaCreate(RequestBody):
    """Request body to create a schema."""

    name: NameField = Field(description="Name of the schema; `default` is the database itself.")
    description: OptionalText = Field(default=None, max_length=4096, description="Free-text description.")


class SchemaRead(BaseModel):
    """A schema of a database; every database has the schema `default`."""

    name: str = Field(description="Name of the schema.", examples=["default"])
    database: str = Field(description="Name of its database.")
    description: str | None = Field(description="Free-text description.")


def database_read(database: Database) -> DatabaseRead:
    """Return a database as REST shows it."""
    name = database.namespace[0]
    return DatabaseRead(
        id=name,
        name=name,
        description=database.description,
        location=database.location,
        created_at=database.created,
    )


def schema_read(schema: Database) -> SchemaRead:
    """Return a schema as REST shows it."""
    return SchemaRead(name=schema_of(schema.namespace), database=schema.namespace[0], description=schema.description)
