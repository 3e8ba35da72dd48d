"""What the API server, or a webhook or quota behind it, refused of a run, and when to try it again."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cachetools import LRUCache

from icefield_crds import AttemptStatus, Reason, Run, Task, TaskPhase, names
from icefield_kube.errors import Invalid, KubernetesError

from .validate import RunProblem

log = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=2)
LAST_DELAY = timedelta(seconds=60)
MAX_REMEMBERED = 10_000
"""Runs; of one that is deleted while it is refused nothing else tells."""

_MAX_LENGTH = 1000


class Rejections(NamedTuple):
    """Attempts whose pod was not created."""

    permanent: dict[tuple[str, int], str]
    """Why each, by task key and number of the attempt, can never be created."""
    temporary: str | None
    """Why one or more of the others were not created for now."""
    lost: Sequence[tuple[str, int]] = ()
    """Attempts, by task key and number, whose pod may have been created and deleted while no operator ran."""

    def with_failures(self, failures: Mapping[tuple[str, int], str]) -> Rejections:
        """Return these, and attempts that never can be created for what they need."""
        return self._replace(permanent={**self.permanent, **failures})

    def as_problem(self) -> RunProblem | None:
        """Return what the run waits for."""
        return RunProblem(Reason.POD_REFUSED, self.temporary, final=False) if self.temporary else None

    def as_attempts(self, run: Run, now: datetime) -> list[tuple[str, AttemptStatus]]:
        """Return (task key, attempt) of each that never got a pod."""
        return [
            (
                key,
                AttemptStatus(
                    attempt=number,
                    pod_name=names.pod_name(run.metadata.name, key, number),
                    status=TaskPhase.FAILED,
                    completion_time=now,
                    error=error,
                    logs_archived=True,
                ),
            )
            for (key, number), error in self.permanent.items()
        ]


NOTHING_REJECTED = Rejections({}, None)


def rejections_of(
    attempts: Sequence[tuple[Task, int]], errors: Sequence[Exception | None], what: str = "the task's pod"
) -> Rejections:
    """Return which attempts were rejected, and why.

    Args:
        attempts: (task, number of the attempt) of each that was to start.
        errors: what its creation raised for each; None where it was created.
        what: what was to be created.
    """
    permanent: dict[tuple[str, int], str] = {}
    temporary = None
    for (task, attempt), error in zip(attempts, errors, strict=True):
        if error is None:
            continue
        if _is_permanent(error):
            permanent[task.key, attempt] = f"Kubernetes refused {what}: {error}"[:_MAX_LENGTH]
        elif temporary is None:
            temporary = f"task {task.key} cannot start: {describe(error)}"[:_MAX_LENGTH]
    return Rejections(permanent, temporary)


def describe(error: Exception) -> str:
    """Return an error in words for the owner of a run; one that is no answer of Kubernetes is a mistake of ours."""
    if isinstance(error, KubernetesError):
        return f"{error.message}; it is tried again"
    log.error("An unexpected error of a run", exc_info=error)
    return f"{type(error).__name__} in the operator, whose log has more; it is tried again"


def refused_end(refusal: str | None) -> RunProblem | None:
    """Return that a pod of a run cannot be ended; None when nothing was refused."""
    return RunProblem(Reason.POD_REFUSED, refusal[:_MAX_LENGTH], final=False) if refusal else None


class Backoff:
    """When to try again what was refused, by run: after 2 s, 4 s, 8 s … up to 60 s."""

    def __init__(self) -> None:
        """Start with nothing refused."""
        self._refused: LRUCache[str, int] = LRUCache(MAX_REMEMBERED)

    def next_delay(self, uid: str) -> timedelta:
        """Note that something of the run with this uid was refused; return how long to wait."""
        times = self._refused.get(uid, 0)
        self._refused[uid] = times + 1
        return min(FIRST_DELAY * (1 << min(times, 10)), LAST_DELAY)

    def reset(self, uid: str) -> None:
        """Forget what was refused of the run with this uid: it was accepted, or has ended."""
        self._refused.pop(uid, None)


def _is_permanent(error: Exception) -> bool:
    if not isinstance(error, KubernetesError):
        return False
    return isinstance(error, Invalid) or error.is_too_large or error.status == 400
