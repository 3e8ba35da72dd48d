"""What `icefield status` shows."""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """A part of a cluster, and whether it is well."""

    name: str
    detail: str
    is_well: bool
    status: str
    """In a word or two."""

    @classmethod
    def running(cls, name: str, detail: str, is_running: bool) -> Part:
        """A program, or something that answers."""
        return cls(name, detail, is_running, "running" if is_running else "not running")
