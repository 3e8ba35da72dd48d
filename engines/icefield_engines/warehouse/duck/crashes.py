"""Pure: which statements are not given to DuckDB again, because its process ended while it ran them."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Collection

REMEMBERED = 1000
STRIKES = 2
"""During how many ends of the process a statement ran, with others beside it, until it counts as their cause."""
_METADATA_FILE = re.compile(r"/metadata/[^/']+\.metadata\.json")


class Crashes:
    """The ends of DuckDB's process, by the statements that ran.

    One that ran alone was the cause. Of several each may have been, so each is run once more.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._strikes: OrderedDict[str, int] = OrderedDict()

    def record(self, running: Collection[str]) -> None:
        """Record that the process ended.

        Args:
            running: the digest of each statement that ran.
        """
        for digest in running:
            before = self._strikes.pop(digest, 0)
            self._strikes[digest] = STRIKES if len(running) == 1 else before + 1
        while len(self._strikes) > REMEMBERED:
            self._strikes.popitem(last=False)

    def is_cause(self, digest: str) -> bool:
        """Return whether a statement counts as the cause of an end."""
        return self._strikes.get(digest, 0) >= STRIKES


def digest_of(sql: str) -> str:
    """Return what identifies a statement: it is sent again under another id, and after a commit to one of its tables
    with another metadata file (Iceberg spec, "Table Metadata")."""
    return hashlib.sha256(_METADATA_FILE.sub("/metadata/", sql).encode()).hexdigest()
