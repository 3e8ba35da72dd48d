"""The reference's `daily-pipeline`: the two programs its tasks run, the Job in both spellings, the queries after."""

from __future__ import annotations

from importlib import resources
from typing import Any

NAME = "daily-pipeline"
YAML_NAME = "daily-pipeline-yaml"
WORKSPACE = "demo"
WAREHOUSE = "demo"
WAREHOUSE_SIZE = "cpu.2"
QUERIES = (
    "SELECT * FROM flights.delays_by_carrier ORDER BY mean_delay_min DESC",
    "SELECT origin, count(*), max(dep_delay) AS worst_delay_min FROM flights.departures GROUP BY origin ORDER BY 1",
)
_DESCRIPTION = "Loads the uploaded flights into an Iceberg table, then aggregates them by carrier into another."
_WAREHOUSE_VARIABLE = "POLNOR_WAREHOUSE_ID"
_FILES = ("ingest.py", "tx.py")


def _files() -> dict[str, str]:
    return {name: resources.files(__name__).joinpath(name).read_text() for name in _FILES}


def rest_job() -> dict[str, Any]:
    """Return the body of POST /jobs (API reference, "Jobs")."""
    return {
        "name": NAME,
        "description": _DESCRIPTION,
        "files": _files(),
        "env_vars": {_WAREHOUSE_VARIABLE: WAREHOUSE},
        "tasks": [
            {"key": "ingest", "command": "python ingest.py"},
            {
                "key": "transform",
                "command": "python tx.py",
                "depends_on": ["ingest"],
                "max_retries": 2,
                "timeout_seconds": 1800,
            },
        ],
    }


def custom_resources() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the same Job as a custom resource, and a Run of it."""
    namespace = f"icefield-{WORKSPACE}"
    job = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Job",
        "metadata": {"name": YAML_NAME, "namespace": namespace},
        "spec": {
            "description": _DESCRIPTION,
            "files": [{"path": path, "content": content} for path, content in _files().items()],
            "env": [{"name": _WAREHOUSE_VARIABLE, "value": WAREHOUSE}],
            "tasks": [
                {"key": "ingest", "command": "python ingest.py"},
                {
                    "key": "transform",
                    "command": "python tx.py",
                    "dependsOn": ["ingest"],
                    "maxRetries": 2,
                    "timeoutSeconds": 1800,
                },
            ],
        },
    }
    run = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"generateName": f"{YAML_NAME}-", "namespace": namespace},
        "spec": {"jobRef": {"name": YAML_NAME}},
    }
    return job, run
