"""Pure: how many bytes a custom resource takes in etcd, and how many it may take.

Kubernetes stores a custom resource as the JSON of Go's encoder, with the fields that each of its managers has set
(kubernetes.io/docs/reference/using-api/server-side-apply, "Field management"), which for many short values have more
bytes than the values.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from .execution import Execution
from .meta import AnyResource, Model
from .run import Run
from .schema import structural_schema

ETCD_REQUEST_BYTES = 1_572_864
"""What etcd takes in one request (etcd.io/docs/v3.5/dev-guide/limit, --max-request-bytes)."""
RESERVED_BYTES = 262_144
"""For what is added after a resource was accepted: its status, which has some 100 KiB when each of 100 tasks was tried
once and 60 KiB more for each further attempt of all of them, and the names in etcd's request."""
MAX_OBJECT_BYTES = ETCD_REQUEST_BYTES - RESERVED_BYTES
"""What a resource may take without its status. A Run has what its Job has, so a Job within it can run."""
TASK_STATUS_BYTES = 500
ATTEMPT_STATUS_BYTES = 1000
"""What the status of a task takes, and of each attempt of it, with an error of some hundred characters."""
MAX_FILES_BYTES = 900 * 1024
"""All inline files of a run together: they live in one ConfigMap, which Kubernetes limits to 1 MiB."""

_ESCAPED_BY_GO = re.compile("[<>&\u2028\u2029]")
"""Of what JSON needs not escape, what Go's encoding/json does: as six bytes each."""
_ESCAPE_BYTES = 6


def stored_size(resource: AnyResource) -> int:
    """Return how many bytes a resource takes in etcd, as one manager has set it.

    Of its status nothing is counted but the snapshot of a Run, which is what it executes.

    Args:
        resource: as it is to be written.
    """
    parts: list[Model] = [resource.spec]
    if isinstance(resource, Run) and resource.status and resource.status.snapshot:
        parts.append(resource.status.snapshot)
    return _json_size(resource.metadata.to_api()) + sum(map(_size_of_part, parts))


def size_problem(resource: AnyResource) -> str | None:
    """Return that a resource is larger than it may be, or that its status could become so; None when neither is."""
    size = stored_size(resource)
    if size > MAX_OBJECT_BYTES:
        return (
            f"the {resource.KIND.lower()} has {size} bytes as the cluster stores it, more than the {MAX_OBJECT_BYTES} "
            "that are allowed; put large values into the object store"
        )
    attempts = _attempts_that_may_fail(resource)
    room = ETCD_REQUEST_BYTES - size - len(attempts) * TASK_STATUS_BYTES
    if sum(attempts) * ATTEMPT_STATUS_BYTES <= room:
        return None
    return (
        f"with their retries the tasks of the {resource.KIND.lower()} can have {sum(attempts)} attempts, and the "
        f"cluster can store the status of {room // ATTEMPT_STATUS_BYTES}; lower max_retries"
    )


def _attempts_that_may_fail(resource: AnyResource) -> list[int]:
    """Return how many attempts each task of a Job or Run may have, but for those that the cluster ends."""
    execution = resource.status.snapshot if isinstance(resource, Run) and resource.status else None
    execution = execution or (resource.spec if isinstance(resource.spec, Execution) else None)
    if execution is None:
        return []
    retries = [
        execution.max_retries if task.max_retries is None else task.max_retries for task in execution.tasks or []
    ]
    return [1 + (each or 0) for each in retries or [execution.max_retries]]


def files_problem(execution: Execution) -> str | None:
    """Return that the files of an execution are too large together, in words; None when they are not."""
    size = sum(len(file.content.encode()) for file in execution.files)
    if size <= MAX_FILES_BYTES:
        return None
    return (
        f"field files has {size} bytes together, more than the {MAX_FILES_BYTES} that are allowed; put large ones into "
        "the object store"
    )


def _size_of_part(part: Model) -> int:
    content = part.to_api()
    return _json_size(content) + _json_size(_fields(content, _schema_of(type(part))))


_schema_of = cache(structural_schema)


def _fields(value: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the FieldsV1 of a value: `f:` a field, `k:` an item of a keyed list, `v:` an item of a set."""
    if isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        of = other if isinstance(other, dict) else {}
        return {".": {}, **{f"f:{name}": _fields(item, known.get(name, of)) for name, item in value.items()}}
    if not isinstance(value, list):
        return {}
    items = schema.get("items", {})
    match schema.get("x-kubernetes-list-type"):
        case "map":
            keys = schema["x-kubernetes-list-map-keys"]
            return {f"k:{_json({key: item[key] for key in keys})}": _fields(item, items) for item in value}
        case "set":
            return {f"v:{_json(item)}": {} for item in value}
        case _:
            return {}


def _json_size(value: Any) -> int:
    text = _json(value)
    escaped = _ESCAPED_BY_GO.findall(text)
    return len(text.encode()) + sum(_ESCAPE_BYTES - len(character.encode()) for character in escaped)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
