"""Who gives the attempts of a run their pods: one maker for each sort of work, plugged in by assembly.py.

The story of a Run (reconcile.py) is the same whatever it executes: it is admitted, its attempts start and end, its
status is written. What differs is asked of the maker: what must be there before the first pod, which pod an attempt
gets, and what is known of an attempt beside what its pod says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from icefield_crds import Execution, Run, Task, Workspace
from icefield_operator.world import Manifest

from .pods import Told
from .resolve import Facts
from .validate import Problem


@dataclass(frozen=True)
class Start:
    """An attempt that starts now."""

    facts: Facts
    execution: Execution
    workspace: Workspace
    task: Task
    attempt: int
    """Number of the attempt, from 0."""
    deadline_seconds: int | None
    """After how long the kubelet may end it: the task's or the run's timeout, whichever is nearer."""
    now: datetime


class Maker(ABC):
    """Makes the pods of runs that execute one sort of work."""

    async def first_problem(self, facts: Facts) -> Problem | None:
        """Return what is wrong with a run beside what validate.py finds in the snapshot; asked before its admission."""
        return None

    def furniture(self, facts: Facts, now: datetime) -> list[Manifest]:
        """Return what a run needs before its first pod; it is applied then, and deleted when the run has ended."""
        return []

    @abstractmethod
    async def start(self, start: Start) -> Manifest:
        """Have the pod of an attempt, with labels.of_task_pod and owned by the Run, and return it.

        Asked again for the same attempt it must return the same pod: nothing is started twice.

        Raises:
            KubernetesError: Invalid or a status of 400 fails the attempt for good; after Forbidden it is tried again
                later, and the run says why it waits.
        """

    def look(self, facts: Facts, run_pods: Sequence[Manifest]) -> Told | None:
        """Take in the pods of a run that goes on; return what is known of its one attempt beside what they say."""
        return None

    def carry_on(self, facts: Facts, run_pods: Sequence[Manifest]) -> None:
        """Take in that the attempts of a run that goes on, and their pods, are written down: their work may begin."""
        return

    def note_end(self, run: Run) -> None:
        """Take in that a run has ended, which is written down."""
        return

    def note_gone(self, namespace: str, name: str) -> None:
        """Take in that there is no Run of this name any more, whatever it executed."""
        return
