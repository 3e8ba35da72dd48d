"""The environments of a run's tasks: what each is, and whether it is there when the task is to start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from icefield_crds import Task
from icefield_crds.requirements import requirements_of
from icefield_operator.cluster import together
from icefield_operator.cluster_cache import Kind
from icefield_operator.environment.build import Environment
from icefield_operator.environment.environments import Environments
from icefield_operator.queue import Key

from .resolve import RunFacts

Attempts = Sequence[tuple[Task, int]]


class Unprepared(NamedTuple):
    """Attempts that cannot start for what they need."""

    waits: Mapping[str, str]
    """What a task waits for, by its key."""
    failures: Mapping[tuple[str, int], str]
    """Why an attempt never can, by task key and number."""

    def prepared(self, attempts: Attempts) -> list[tuple[Task, int]]:
        """Return the attempts that can start."""
        return [
            (task, number)
            for task, number in attempts
            if task.key not in self.waits and (task.key, number) not in self.failures
        ]


NOTHING_UNPREPARED = Unprepared({}, {})


def environment_of(task: Task, workspace: str, image: str) -> Environment | None:
    """Return the environment of a task; None when it needs no packages.

    Args:
        task: the task, its defaults filled in.
        workspace: the workspace's slug.
        image: what the task runs in.
    """
    wanted = requirements_of(task.requirements, task.lock)
    return Environment(workspace, image, wanted) if wanted else None


async def prepare(environments: Environments, facts: RunFacts, attempts: Attempts, default_image: str) -> Unprepared:
    """Have the environments of attempts built that are about to start; return which cannot start yet.

    Args:
        environments: builds them.
        facts: the run.
        attempts: (task, number of the attempt).
        default_image: the image of tasks that name none.
    """
    workspace, metadata = facts.workspace, facts.run.metadata
    if workspace is None:
        return NOTHING_UNPREPARED
    wanted_by = Key(Kind.RUN, metadata.namespace or "", metadata.name)
    found = [
        (task, number, environment)
        for task, number in attempts
        if (environment := environment_of(task, workspace.metadata.name, task.image or default_image))
    ]
    distinct = list({environment.digest: environment for _, _, environment in found}.values())
    answers = await together(*(environments.prepare(each, wanted_by, metadata.creation_timestamp) for each in distinct))
    by_digest = {each.digest: answer for each, answer in zip(distinct, answers, strict=True)}
    waits: dict[str, str] = {}
    failures: dict[tuple[str, int], str] = {}
    for task, number, environment in found:
        answer = by_digest[environment.digest]
        if answer.waits:
            waits[task.key] = answer.waits
        if answer.failure:
            failures[task.key, number] = answer.failure
    return Unprepared(waits, failures)
