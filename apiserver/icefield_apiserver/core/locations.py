"""Which locations in the object store belong to a workspace. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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
        return None if {".", ".."} & set(below.split("/")) else key

    def problem_of(self, location: str) -> str | None:
        """Return the reason, as a sentence, why a location is not the workspace's; None when it is."""
        if self.key_of(location) is not None:
            return None
        shown = location if len(location) <= _SHOWN_CHARACTERS else f"{location[:_SHOWN_CHARACTERS]}…"
        return f"The location {shown} is not below {self}, which is the workspace's part of the object store."
