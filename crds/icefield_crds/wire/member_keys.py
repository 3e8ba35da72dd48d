"""The Secret with the object store keys of a workspace's members, which the operator writes and the API server reads.

It has two entries, `READER` and `WRITER`, whose values are the JSON text of a `MemberKeys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import text

READER = "reader"
"""The entry with the keys of viewers."""
WRITER = "writer"
"""The entry with the keys of all other members."""


@dataclass(frozen=True)
class MemberKeys:
    """Keys of the object store that open a workspace's prefix to its members."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the fields of an entry."""
        return {"accessKeyId": self.access_key_id, "secretAccessKey": self.secret_access_key}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> MemberKeys:
        """Return the keys in an entry.

        Raises:
            ValueError: a field is missing.
        """
        return cls(text(fields, "accessKeyId"), text(fields, "secretAccessKey"))
