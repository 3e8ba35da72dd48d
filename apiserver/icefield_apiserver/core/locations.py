"""Which locations in the object store belong to a workspace. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEMES = ("s3", "s3a", "s3n")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class StoreRoot:
    """A workspace's part of the object store.

    Attributes:
        bucket: its bucket.
        prefix: prefix of its keys, without a slash at its end.
    """

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/"

    def key_of(self, location: str) -> str | None:
        """Return the key of a location below it; None where that is elsewhere, or climbs out of a folder."""
        scheme, _, rest = location.partition("://")
        bucket, _, key = rest.partition("/")
        below = key.removeprefix(f"{self.prefix}/")
        if scheme not in _SCHEMES or bucket != self.bucket or below in (key, ""):
            return None
        # To whoever parses URLs as browsers do, %2e is a dot, and a tab between two dots is nothing.
        climbs = not {".", ".."}.isdisjoint(map(unquote, below.split("/")))
        return None if climbs or _CONTROL.search(below) else key

    def problem_of(self, location: str) -> str | None:
        """Return the reason, as a sentence, why a location is not the workspace's; None when it is."""
        if self.key_of(location) is not None:
            return None
        shown = location if len(location) <= _SHOWN_CHARACTERS else f"{location[:_SHOWN_CHARACTERS]}…"
        return f"The location {shown} is not below {self}, which is the workspace's part of the object store."
