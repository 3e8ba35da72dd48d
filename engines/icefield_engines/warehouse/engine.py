"""Interface of an engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from icefield_crds.wire.appends import Appended
from icefield_crds.wire.gateway import EngineName, StatementRequest


@dataclass(frozen=True)
class Rows:
    """What a statement returns: batches of one plain schema; a schema without fields when it returns nothing."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch] = field(default_factory=lambda: iter(()))


class Execution(Protocol):
    """One statement on an engine, run by one thread."""

    @property
    def appended(self) -> Appended | None:
        """What was appended, after its end; None where the request named no table to append to."""

    def start(self) -> Rows:
        """Run the statement as far as is needed to know what it returns; its batches run the rest."""

    def interrupt(self) -> None:
        """Have the engine stop, from another thread; nothing happens when it is not running."""

    def close(self) -> None:
        """Release what the statement holds, whether it has ended or not."""

    def describe_error(self, error: Exception) -> tuple[str, str]:
        """Return the code and the sentence for what `start` or the batches raised."""


class Engine(Protocol):
    """Runs statements."""

    name: EngineName
    statements_at_once: int

    @property
    def is_ready(self) -> bool:
        """Whether a statement would start at once."""

    async def wait_until_ready(self) -> None:
        """Return when statements can run.

        Raises:
            EngineError: they cannot within the time that a statement waits.
        """

    def execution(self, statement_id: str, request: StatementRequest) -> Execution:
        """Return the statement, not yet started."""
