"""Where DuckDB writes the data files of an append, which the process of the gateway decides."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class DataFilesTarget:
    """Where files go, and what they are like.

    Attributes:
        folder: s3:// URL of a folder that is empty, without a slash at its end.
        field_ids: (name of a column, its id in the table's schema), in the order of the query.
        codec: zstd, gzip, snappy or uncompressed.
        file_bytes: target size of a file, in bytes.
    """

    folder: str
    field_ids: tuple[tuple[str, int], ...]
    codec: str
    file_bytes: int

    def to_bytes(self) -> bytes:
        """Return this as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return what is in JSON of `to_bytes`."""
        fields = json.loads(content)
        return cls(**{**fields, "field_ids": tuple((name, number) for name, number in fields["field_ids"])})
