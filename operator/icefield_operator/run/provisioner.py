"""What gives the attempts of a run their pods: one provisioner for each type of run.

The lifecycle of a Run (reconcile.py) is the same whatever it executes: it is admitted, its attempts start and end, its
status is written. A provisioner supplies what differs: the objects that must exist before the first pod, the pod of an
attempt, and what is known about an attempt besides its pod.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from icefield_crds import Execution, Run, Task, Workspace
from icefield_kube.client import Manifest

from .environments import NOTHING_UNPREPARED, Unprepared
from .pods import PodObserver
from .resolve import RunFacts
from .run_type import RunType, run_type_of
from .validate import RunProblem


@dataclass(frozen=True)
class AttemptStart:
    """An attempt that starts now."""

    facts: RunFacts
    execution: Execution
    workspace: Workspace
    task: Task
    attempt: int
    """Number of the attempt, from 0."""
    deadline_seconds: int | None
    """After how long the kubelet may end it: the task's or the run's timeout, whichever is nearer."""
    now: datetime


class PodProvisioner(ABC):
    """Provides the pods of one type of run."""

    async def validate(self, facts: RunFacts) -> RunProblem | None:
        """Return what is wrong with a run besides what validate.py finds; called before the run is admitted."""
        return None

    def prerequisites(self, facts: RunFacts, now: datetime) -> list[Manifest]:
        """Return the objects that a run needs before its first pod; they are deleted when the run has ended."""
        return []

    async def prepare(self, facts: RunFacts, attempts: Sequence[tuple[Task, int]]) -> Unprepared:
        """Have what attempts need made that are about to start; return those for which it is not there yet."""
        return NOTHING_UNPREPARED

    @abstractmethod
    async def ensure_pod(self, start: AttemptStart) -> Manifest:
        """Return the pod of an attempt, with labels.of_task_pod and owned by the Run; create it if it is missing.

        Called again for the same attempt it returns the same pod: nothing is started twice.

        Raises:
            KubernetesError: Invalid or status 400 fails the attempt permanently; Forbidden is retried later, and the
                Run's status reports what it waits for.
        """

    def observer(self, facts: RunFacts, run_pods: Sequence[Manifest]) -> PodObserver:
        """Return what reads the status of a running run's attempts off these pods, of attempts that have not ended."""
        return PodObserver()

    def on_status_written(self, facts: RunFacts, run_pods: Sequence[Manifest]) -> None:
        """Act on a running run whose attempts are recorded: work may be dispatched to the pods of those that go on."""
        return

    def on_ended(self, run: Run) -> None:
        """Act on a run whose end is recorded in its status."""
        return

    def on_deleted(self, namespace: str, name: str) -> None:
        """Act on the deletion of a Run of this name, of whatever type it was."""
        return


class PodProvisioners:
    """The provisioner of each type of run."""

    def __init__(self) -> None:
        """Make an empty registry."""
        self._provisioners: dict[RunType, PodProvisioner] = {}

    def add(self, run_type: RunType, provisioner: PodProvisioner) -> None:
        """Register the provisioner of a type of run.

        Raises:
            ValueError: the type has one already.
        """
        if run_type in self._provisioners:
            raise ValueError(f"{run_type} runs already have a provisioner")
        self._provisioners[run_type] = provisioner

    def of(self, run: Run) -> PodProvisioner:
        """Return the provisioner of a run's type.

        Raises:
            KeyError: no provisioner is registered for it.
        """
        return self._provisioners[run_type_of(run)]

    def __iter__(self) -> Iterator[PodProvisioner]:
        """Yield every registered provisioner."""
        return iter(self._provisioners.values())
