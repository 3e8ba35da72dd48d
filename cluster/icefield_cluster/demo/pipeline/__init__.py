"""The reference's `daily-pipeline`: its tasks' programs, the Job for REST and kubectl, and queries of its tables."""

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
POLARS_SCRIPT = """\
# Which carriers make up in the air for what they lost on the ground?
late = scan("flights.departures").filter(pl.col("dep_delay") > params["minutes"])

result = (
    late.group_by("carrier")
    .agg(
        pl.len().alias("left_late"),
        (pl.col("dep_delay") - pl.col("arr_delay")).mean().round(1).alias("made_up_min"),
    )
    .join(scan("flights.delays_by_carrier").select("carrier", "flights"), on="carrier")
    .with_columns((100 * pl.col("left_late") / pl.col("flights")).round(1).alias("left_late_pct"))
    .select("carrier", "left_late", "left_late_pct", "made_up_min")
    .sort("made_up_min", descending=True)
    .head(5)
)
"""
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


def polars_workload() -> dict[str, Any]:
    """Return the body of POST /warehouse/polars: a script over both tables, whose result becomes a third."""
    return {
        "mode": "script",
        "script": POLARS_SCRIPT,
        "params": {"minutes": 30},
        "destination": "flights.made_up_in_the_air",
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
