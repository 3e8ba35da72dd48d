"""Builds Spark applications and the tags of their runs. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from icefield_apiserver.core.errors import BadRequest, validation_sentence
from icefield_crds import SparkApplication

from .machines import Machines, pod_of

MAX_BYTES = 1024 * 1024
"""Of a whole application; Kubernetes stores no object that is much longer."""


def new_application(machines: Machines, machine_fields: tuple[str, str], **fields: Any) -> SparkApplication:
    """Return an application.

    Args:
        machines: machine types and number of executors.
        machine_fields: the request's fields for the machine types of driver and executor.
        fields: the other fields of SparkApplication.

    Raises:
        BadRequest: it could never run.
    """
    driver, executor = pod_of(machines.driver, machine_fields[0]), pod_of(machines.executor, machine_fields[1])
    try:
        application = SparkApplication(driver=driver, executor=executor, executors=machines.executors, **fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(validation_sentence([{**first, "loc": ("body", *first["loc"])}])) from error
    if len(application.model_dump_json()) > MAX_BYTES:
        raise BadRequest(f"The application is longer than {MAX_BYTES} bytes.")
    return application


def tag_of(text: str, source: str) -> dict[str, str]:
    """Return a tag: `key=value`, or `key:value` as OpenLineage writes it; a key alone has the value `true`, as there.

    Args:
        text: the tag.
        source: job or run.

    Raises:
        BadRequest: it has no key.
    """
    cut = min((position for mark in "=:" if (position := text.find(mark)) >= 0), default=len(text))
    key, value = text[:cut].strip(), text[cut + 1 :].strip()
    if not key:
        raise BadRequest(f"The tag {text!r} has no key; write key=value, or a key alone.")
    return {"key": key, "value": value or "true", "source": source}
