"""Rows that a warehouse's gateway appends to a table: to which, and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from .fields import as_object, integer, optional_integer, optional_text, text, texts

Literals: TypeAlias = tuple[list[str | None], ...]
"""Columns of texts, all of one length."""


def literals_in(document: object) -> Literals:
    """Return the columns in a JSON list.

    Raises:
        ValueError: it is no list of lists of texts, or they differ in length.
    """
    if not isinstance(document, list | tuple) or not all(isinstance(column, list) for column in document):
        raise ValueError("literals must be a list of columns")
    if len({len(column) for column in document}) > 1:
        raise ValueError("literals must be columns of one length")
    if not all({type(text) for text in column} <= {str, type(None)} for column in document):
        raise ValueError("literals must be texts, or null")
    return tuple(document)


@dataclass(frozen=True)
class AppendTarget:
    """The table that the rows of a query are appended to, as it was when the statement was planned.

    Attributes:
        namespace: levels of its namespace in the catalog.
        table_uuid: what identifies it; another table of its name is not written.
        schema_id: its current schema, whose columns the query yields in their order.
        spec_id: its default partition spec.
        metadata_location: URI of its metadata file; a later one will do as long as the ids are the same.
    """

    namespace: tuple[str, ...]
    name: str
    table_uuid: str
    schema_id: int
    spec_id: int
    metadata_location: str

    def to_json(self) -> dict[str, Any]:
        """Return the target as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> AppendTarget:
        """Return the target in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        fields = as_object(document, "append")
        return cls(
            namespace=texts(fields, "namespace"),
            name=text(fields, "name"),
            table_uuid=text(fields, "table_uuid"),
            schema_id=integer(fields, "schema_id"),
            spec_id=integer(fields, "spec_id"),
            metadata_location=text(fields, "metadata_location"),
        )


@dataclass(frozen=True)
class BadRows:
    """What becomes of rows of files that cannot be read.

    Attributes:
        limit: how many are left out; with one more nothing is appended.
        location: address of the file that gets them, as JSON lines; None for none.
    """

    limit: int
    location: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> BadRows:
        """Return what is in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        fields = as_object(document, "bad_rows")
        return cls(integer(fields, "limit"), optional_text(fields, "location", 2048))


@dataclass(frozen=True)
class Appended:
    """What was appended to a table, in one commit.

    Attributes:
        snapshot_id: of the snapshot that has the rows.
        rows: how many.
        files: in how many data files.
        left_out: how many rows could not be read, and were left out.
    """

    snapshot_id: int
    rows: int
    files: int
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Appended:
        """Return what is in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        fields = as_object(document, "appended")
        return cls(
            integer(fields, "snapshot_id"),
            integer(fields, "rows"),
            integer(fields, "files"),
            optional_integer(fields, "left_out") or 0,
        )
