"""Files that the rows of a query are written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fields import as_object, text

MAX_LOCATION_LENGTH = 2048
MAX_OPTIONS_LENGTH = 4096


@dataclass(frozen=True)
class ExportTarget:
    """A file.

    Attributes:
        location: its address, below the workspace's prefix.
        format: csv, json or parquet.
        options: those of DuckDB's COPY, as its SQL has them; empty for none.
    """

    location: str
    format: str
    options: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the file as a JSON object."""
        return {"location": self.location, "format": self.format, "options": self.options}

    @classmethod
    def from_json(cls, document: object) -> ExportTarget:
        """Return the file in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type; one sentence.
        """
        fields = as_object(document, "export")
        return cls(
            text(fields, "location", MAX_LOCATION_LENGTH),
            text(fields, "format", 16),
            str(fields.get("options") or "")[:MAX_OPTIONS_LENGTH],
        )
