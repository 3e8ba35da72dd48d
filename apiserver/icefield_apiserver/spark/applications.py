"""Starts Spark applications as runs, each counted as the job that its submitter says it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from icefield_apiserver.errors import BadRequest, validation_sentence
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.repositories.runs import RunRepository
from icefield_crds import Run, RunSpec, SparkApplication
from icefield_crds.names import JOB_NAME_ANNOTATION, JOB_NAMESPACE_ANNOTATION, RUN_TAGS_ANNOTATION, slugify

from .machines import Machines, pod_of

MAX_BYTES = 1024 * 1024
"""Of a whole application; Kubernetes stores no object that is much longer."""
_FALLBACK = "spark"


def application(machines: Machines, fields: tuple[str, str], **what: Any) -> SparkApplication:
    """Return an application.

    Args:
        machines: what it runs on.
        fields: what the request calls the machine types of driver and executor.
        what: the other fields of SparkApplication.

    Raises:
        BadRequest: it could never run.
    """
    driver, executor = pod_of(machines.driver, fields[0]), pod_of(machines.executor, fields[1])
    try:
        made = SparkApplication(driver=driver, executor=executor, executors=machines.executors, **what)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(validation_sentence([{**first, "loc": ("body", *first["loc"])}])) from error
    if len(made.model_dump_json()) > MAX_BYTES:
        raise BadRequest(f"The application is longer than {MAX_BYTES} bytes.")
    return made


def job_annotations(namespace: str, name: str, tags: Sequence[dict[str, str]] = ()) -> dict[str, str]:
    """Return what says on a Run which job it counts as, and its tags."""
    annotations = {JOB_NAMESPACE_ANNOTATION: namespace, JOB_NAME_ANNOTATION: name}
    if tags:
        annotations[RUN_TAGS_ANNOTATION] = json.dumps(list(tags), ensure_ascii=False)
    return annotations


def tag_of(text: str, source: str) -> dict[str, str]:
    """Return a tag: `key=value`, or `key:value` as OpenLineage writes it; a key alone is `true`, as there.

    Args:
        text: the tag.
        source: what is tagged: job or run.

    Raises:
        BadRequest: it has no key.
    """
    cut = min((position for mark in "=:" if (position := text.find(mark)) >= 0), default=len(text))
    key, value = text[:cut].strip(), text[cut + 1 :].strip()
    if not key:
        raise BadRequest(f"The tag {text!r} has no key; write key=value, or a key alone.")
    return {"key": key, "value": value or "true", "source": source}


class SparkApplications:
    """Submits applications, each call inside the caller's workspace.

    Args:
        runs: where they are started.
    """

    def __init__(self, runs: RunRepository) -> None:
        self._runs = runs

    async def submit(
        self,
        principal: Principal,
        application: SparkApplication,
        *,
        namespace: str,
        name: str,
        tags: Sequence[dict[str, str]] = (),
    ) -> Run:
        """Start an application as the caller.

        Args:
            principal: the caller.
            application: what to run.
            namespace: of the job that it counts as.
            name: of the job that it counts as; the run's name begins with it.
            tags: its tags.

        Raises:
            BadRequest: it could never run.
            QuotaExceeded: as many runs as the workspace may have are running.
            Forbidden: the caller's role does not permit it.
        """
        annotations = job_annotations(namespace, name, tags)
        return await self._runs.submit(principal, RunSpec(spark=application), _prefix(name), annotations)


def _prefix(name: str) -> str:
    """Return what a run's name begins with, which Kubernetes takes: a job may be called anything."""
    try:
        return slugify(name)
    except ValueError:
        return _FALLBACK
