"""A repeated short read is sent to its warehouse while the catalog is asked whether its tables are as they were.

What it is compiled to names the metadata file of each table. So its rows are the right ones exactly if it is compiled
to the same again, with the tables as the catalog has them now. Otherwise they are discarded, and what it is compiled to
then is sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cachetools import LRUCache

from icefield_crds.wire.gateway import StatementState
from icefield_sql import Compiled, Engine

from .planning import CACHED, Key, Parsed

SHORT_MILLISECONDS = 100.0
"""A read that took longer is not sent ahead: about so much is done in vain when its tables have changed."""


@dataclass(frozen=True)
class _Recent:
    """What a read was compiled to, and whether it was so twice in a row."""

    compiled: Compiled
    is_stable: bool


class RecentReads:
    """What short reads were compiled to when they ran last."""

    def __init__(self) -> None:
        self._recent: LRUCache[Key, _Recent] = LRUCache(CACHED)

    def find(self, parsed: Parsed) -> Compiled | None:
        """Return what a read was compiled to the last two times; None where its tables changed, or it took long."""
        key = _key(parsed)
        recent = self._recent.get(key) if key else None
        return recent.compiled if recent and recent.is_stable else None

    def observe(self, parsed: Parsed, compiled: Compiled, state: StatementState) -> None:
        """Take in how a read ended."""
        if (key := _key(parsed)) is None:
            return
        is_short = state.duration_ms is not None and state.duration_ms <= SHORT_MILLISECONDS
        if is_short and state.status == "succeeded" and compiled.engine is Engine.DUCKDB:
            recent = self._recent.get(key)
            self._recent[key] = _Recent(compiled, is_stable=recent is not None and recent.compiled == compiled)
        else:
            self._recent.pop(key, None)

    def forget(self, parsed: Parsed) -> None:
        """Forget a read, whose tables have changed or do not exist any more."""
        if key := _key(parsed):
            self._recent.pop(key, None)


@dataclass(frozen=True)
class SentAhead:
    """A read that was sent as it was compiled last.

    Attributes:
        endpoint: URL of the gateway.
        compiled: what was sent.
        submitted: returns its state after a moment, as Dispatcher.submit does.
    """

    endpoint: str
    compiled: Compiled
    submitted: asyncio.Task[StatementState | None]


def _key(parsed: Parsed) -> Key | None:
    return None if parsed.is_write else parsed.repeated_key
