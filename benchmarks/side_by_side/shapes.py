"""The shapes of work that every contender runs."""

from __future__ import annotations

from dataclasses import dataclass

COMMAND = "true"
"""What each task runs."""


@dataclass(frozen=True)
class Shape:
    """Tasks in levels: those of a level start at once when all of the level before have succeeded.

    Args:
        name: as the table shows it.
        levels: how many tasks each level has.
    """

    name: str
    levels: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many tasks it has."""
        return sum(self.levels)


SINGLE = Shape("single task", (1,))
CHAIN = Shape("chain of 10", (1,) * 10)
FAN_OUT = Shape("fan-out of 50", (1, 50))
"""One task, then fifty that depend on it: what a DAG tool calls fan-out, without the task that would join them."""

SHAPES = (SINGLE, CHAIN, FAN_OUT)
