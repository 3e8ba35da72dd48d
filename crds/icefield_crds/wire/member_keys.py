"""The Secret with the object store keys of a workspace's members, which the operator writes and the API server reads.

Each entry's name is `member_of` a person, its value the JSON text of a `MemberKeys`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .fields import text

PLATFORM_ADMINS = "platform-admins"
"""Whose keys platform administrators get, who need not be members of a workspace to act in it."""


@dataclass(frozen=True)
class MemberKeys:
    """Keys of the object store that open a workspace's prefix to one member."""

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


def member_of(person: str) -> str:
    """Return the name of a person's entry; e-mail addresses that differ in case only are one person's."""
    return hashlib.sha256(person.lower().encode()).hexdigest()[:12]
