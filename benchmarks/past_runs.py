"""Runs of the past, as the API serves them: what the benchmarks of history fill caches and clusters with."""

from __future__ import annotations

import uuid
from typing import Any

from icefield_crds.names import API_VERSION

KEYS = ("extract", "load")
AT = "2026-11-20T10:00:00Z"


def ended_run(number: int, namespace: str = "icefield-demo") -> dict[str, Any]:
    """Return a run of two tasks that has ended, with the managedFields that its writers leave."""
    name = f"etl-{number:06}"
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": str(uuid.UUID(int=number)),
        "resourceVersion": str(number + 1),
        "generation": 1,
        "creationTimestamp": AT,
    }
    body = {**metadata, "managedFields": managed_fields()}
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": body,
        "spec": spec(),
        "status": status(name),
    }


def spec() -> dict[str, Any]:
    """Return what a run of two tasks of the job `etl` executes."""
    load = {"key": "load", "command": "python load.py --day $DAY", "dependsOn": ["extract"]}
    return {
        "desiredState": "running",
        "jobRef": {"name": "etl"},
        "params": {"day": "2026-11-20"},
        "tasks": [{"key": "extract", "command": "python extract.py --day $DAY", "dependsOn": []}, load],
    }


def status(name: str, generation: int = 1) -> dict[str, Any]:
    """Return the status of a run that has succeeded, its logs archived."""
    conditions = ("Ready", "Reconciling", "Stalled", "Admitted")
    return {
        "phase": "success",
        "observedGeneration": generation,
        "startTime": AT,
        "completionTime": AT,
        "conditions": [
            {
                "type": type_,
                "status": "True" if type_ in ("Ready", "Admitted") else "False",
                "reason": "Succeeded",
                "message": "the run has succeeded",
                "lastTransitionTime": AT,
                "observedGeneration": generation,
            }
            for type_ in conditions
        ],
        "tasks": [_task(name, key) for key in KEYS],
    }


def _task(run: str, key: str) -> dict[str, Any]:
    ended = {"status": "success", "startTime": AT, "completionTime": AT, "exitCode": 0}
    attempt = {**ended, "attempt": 0, "podName": f"{run}-{key}-0", "podUid": str(uuid.uuid4()), "logsArchived": True}
    return {**ended, "key": key, "retryCount": 0, "attempts": [attempt]}


def managed_fields() -> list[dict[str, Any]]:
    """Return what Kubernetes records of two writers of such a run."""

    def fields(value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return {f"f:{key}": fields(inner) for key, inner in value.items()}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {f'k:{{"key":"{number}"}}': {".": {}, **fields(item)} for number, item in enumerate(value)}
        return {}

    return [
        {
            "manager": "icefield-apiserver",
            "operation": "Update",
            "apiVersion": API_VERSION,
            "time": AT,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": fields(spec())},
        },
        {
            "manager": "icefield-operator",
            "operation": "Update",
            "apiVersion": API_VERSION,
            "time": AT,
            "subresource": "status",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:status": fields(status("x"))},
        },
    ]
