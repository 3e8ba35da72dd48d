"""The order in which a run hands its tests to workers, and which of them stay together; for a machine with few cores.

Unit tests come first: meanwhile the whole cluster comes up in the background. Then files that use the whole cluster
and files that do not take turns, so that a worker that waits for pods leaves the cores to one that computes. Files that
want the whole cluster alone stay together in one worker, while another one has the files that do not use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import TypeVar

from xdist.scheduler import LoadFileScheduling

FIRST = ("tests/unit/",)
EXCLUSIVE = ("tests/e2e/exclusive/", "tests/chaos/")
"""Tests that kill, reconfigure or count what others use."""
WAITING = ("tests/integration/test_", "tests/integration/")
"""Prefixes of files that wait more than they compute, those that wait most first."""
WHOLE_CLUSTER = ("tests/e2e/", "tests/conformance/")

PathT = TypeVar("PathT", bound=str)


def ordered(paths: Sequence[PathT]) -> list[PathT]:
    """Return the files of a run in the order in which they should start."""
    first = [path for path in paths if path.startswith(FIRST)]
    alone = [path for path in paths if path.startswith(EXCLUSIVE)]
    whole = [path for path in paths if path.startswith(WHOLE_CLUSTER) and path not in alone]
    others = [path for path in paths if not path.startswith((*FIRST, *EXCLUSIVE, *WHOLE_CLUSTER))]
    # Files that wait for long come early, while others compute, and the many short ones of the API come last.
    others.sort(key=lambda path: [not path.startswith(prefix) for prefix in WAITING])
    beside, later = others[: len(whole)], others[len(whole) :]
    turns = chain.from_iterable(zip_longest(whole, beside))
    return [*first, *(path for path in turns if path is not None), *alone, *later]


def group_of(path: str) -> str:
    """Return what a file is a part of: the files of one group are run by one worker, one after another."""
    return "exclusive" if path.startswith(EXCLUSIVE) else path


class Scheduling(LoadFileScheduling):
    """Gives a worker one group of files after another."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])
