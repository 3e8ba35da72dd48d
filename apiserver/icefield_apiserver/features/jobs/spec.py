"""New jobs, and changes from one state of a job to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.errors import Conflict
from icefield_apiserver.core.execution import build_spec
from icefield_apiserver.core.kube.merge_patch import difference
from icefield_apiserver.core.kube.named_resources import slug_for
from icefield_crds import Job, JobSpec, ObjectMeta

EITHER_COMMAND_OR_TASKS = "A job has either a command or tasks."


@dataclass(frozen=True)
class JobChange:
    """A change of a job.

    Attributes:
        name: the new display name; None keeps the current one.
        command: the new command; None keeps the current one.
        clears_command: whether the current command is to go.
        tasks: the fields of each Task of the new DAG; None keeps the current DAG, an empty list clears it.
        fields: new values of other fields of JobSpec, by name; those that are absent keep their value.
    """

    name: str | None
    command: str | None
    clears_command: bool
    tasks: Sequence[Mapping[str, Any]] | None
    fields: Mapping[str, Any]


def new_job(name: str, spec: JobSpec, namespace: str) -> Job:
    """Return a new job.

    Args:
        name: its display name.
        spec: everything else.
        namespace: where it will be stored.

    Raises:
        BadRequest: no Kubernetes name can be made of the display name.
    """
    slug = slug_for(name)
    display_name = name if name != slug else None
    return Job(
        metadata=ObjectMeta(name=slug, namespace=namespace), spec=spec.model_copy(update={"display_name": display_name})
    )


def changed(job: Job, change: JobChange) -> JobSpec:
    """Return the spec of a job after a change.

    Raises:
        BadRequest: a value cannot be stored.
        Conflict: there is a new command beside the DAG that the job keeps, its only command is cleared, or the job
            maintains tables and cannot have either.
    """
    fields = {name: getattr(job.spec, name) for name in JobSpec.model_fields} | dict(change.fields)
    if change.name is not None:
        fields["display_name"] = None if change.name == job.metadata.name else change.name
    return build_spec(lambda: JobSpec(**{**fields, **_work_after(job.spec, change)}))


def _work_after(spec: JobSpec, change: JobChange) -> dict[str, Any]:
    if spec.maintenance:
        if change.command or change.tasks:
            raise Conflict("The job maintains tables; make another job for a command or tasks.")
        return {"command": None, "tasks": None}
    if change.tasks:
        return {"command": None, "tasks": change.tasks}
    if change.tasks is None and spec.tasks:
        if change.command:
            raise Conflict("The job has tasks; send `tasks: []` with the command, which then replaces them.")
        return {"command": None, "tasks": spec.tasks}
    if change.clears_command and spec.command is not None:
        raise Conflict("The job has nothing but its command; send `tasks`, which replace it, or another command.")
    command = change.command or spec.command
    return {"command": command, "tasks": None if command else []}


def merge_patch(before: JobSpec, after: JobSpec) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) from one spec to another; empty when they are equal."""
    return difference(before.to_api(), after.to_api())
