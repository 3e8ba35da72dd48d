"""From what a request says to what Kubernetes stores, and from one state of a job to the next. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from icefield_apiserver.errors import BadRequest, validation_sentence
from icefield_apiserver.schemas.jobs import JobCreate, JobUpdate
from icefield_apiserver.schemas.runs import RunSubmit
from icefield_crds import Execution, Job, JobReference, JobSpec, ObjectMeta, RunSpec
from icefield_crds.names import slugify

T = TypeVar("T")

_REST_NAMES = {"env": "env_vars", "dependsOn": "depends_on", "timeZone": "time_zone"}


def new_job(request: JobCreate, namespace: str) -> Job:
    """Return the job that a request describes.

    Raises:
        BadRequest: a value cannot be stored, or nothing of the name can stand in a Kubernetes name.
    """
    try:
        name = slugify(request.name)
    except ValueError as error:
        raise BadRequest(f"Field name: {error}.") from error

    def build() -> Job:
        tasks = request.task_specs()
        has_tasks = bool(tasks) or (tasks is not None and request.command is None)
        spec = JobSpec(
            display_name=request.name if request.name != name else None,
            command=None if has_tasks else request.command,
            tasks=tasks if has_tasks else None,
            **request.job_fields(),
        )
        return Job(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)

    return _checked(build)


def changed(job: Job, request: JobUpdate) -> JobSpec:
    """Return the spec of a job after a change; see JobUpdate for what absent, null and [] mean.

    Raises:
        BadRequest: a value cannot be stored.
    """

    def build() -> JobSpec:
        fields = {name: getattr(job.spec, name) for name in JobSpec.model_fields}
        fields |= request.job_fields(only_given=True)
        if request.name is not None:
            fields["display_name"] = None if request.name == job.metadata.name else request.name
        return JobSpec(**{**fields, **_work_after(job.spec, request)})

    return _checked(build)


def _work_after(spec: JobSpec, request: JobUpdate) -> dict[str, Any]:
    tasks = request.task_specs()
    if tasks:
        return {"command": None, "tasks": tasks}
    if tasks is None and spec.tasks is not None:
        return {"command": None, "tasks": spec.tasks}
    command = request.command or spec.command
    return {"command": command, "tasks": None if command else []}


def merge_patch(before: JobSpec, after: JobSpec) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) from one spec to another; empty when they are equal."""
    return _difference(before.to_api(), after.to_api())


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value:
            continue
        patch[name] = _difference(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return patch


def run_of_job(job: Job, params: dict[str, str]) -> RunSpec:
    """Return what a new run of a job executes: the job as it is now, with parameters over the job's."""
    fields = {name: getattr(job.spec, name) for name in Execution.model_fields}
    merged = {**job.spec.params, **params}
    return _checked(
        lambda: RunSpec(**{**fields, "params": merged}, job_ref=JobReference(name=job.metadata.name)),
    )


def run_of_its_own(request: RunSubmit) -> RunSpec:
    """Return what a run without a job executes.

    Raises:
        BadRequest: there is nothing to run, or a value cannot be stored.
    """
    if not request.tasks and request.command is None:
        raise BadRequest("A run needs a command or tasks.")
    return _checked(
        lambda: RunSpec(
            command=None if request.tasks else request.command,
            tasks=request.task_specs() if request.tasks else None,
            **request.execution_fields(),
        )
    )


def _checked(build: Callable[[], T]) -> T:
    try:
        return build()
    except ValidationError as error:
        first = error.errors()[0]
        location = ("body", *(_REST_NAMES.get(str(part), part) for part in first["loc"]))
        raise BadRequest(validation_sentence([{**first, "loc": location}])) from error
