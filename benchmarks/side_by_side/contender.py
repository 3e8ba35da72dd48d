"""What is common to all contenders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .shapes import SHAPES, Shape


class Contender(ABC):
    """One way to run tasks: running once, then prepared, measured and cleared for each measurement."""

    name: str
    shapes: tuple[Shape, ...] = SHAPES
    """What it can run."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have what lasts for the whole benchmark."""
        yield

    async def prepare(self, shape: Shape) -> None:
        """Bring about the state from which a shape is measured; this is not part of the time."""
        del shape

    @abstractmethod
    async def run(self, shape: Shape) -> float:
        """Return the seconds from submitting to the moment when this client knows that the last task has succeeded.

        Raises:
            Exception: a task failed, or took too long.
        """

    @abstractmethod
    async def clear(self) -> None:
        """Remove what the last measurement left, and wait until it is gone."""
