"""`icefield demo`: a pipeline over real data through REST and kubectl, and SQL and Polars over its tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from . import pipeline
from .api import Api, DemoError, RunView
from .data import WorkspaceStore
from .kubectl import run_with_kubectl

__all__ = ["DemoError", "DemoTarget", "run"]

_RUN_TIMEOUT_SECONDS = 600
_COLOURS = {"success": "green", "failed": "red", "running": "cyan", "cancelled": "yellow", "skipped": "yellow"}


@dataclass(frozen=True)
class DemoTarget:
    """The platform that the demo drives.

    Attributes:
        api_url: base URL of the API server, without /api/v1.
        token: an API key bound to the workspace `demo`.
        ca_file: PEM file of the authorities to trust.
        kubectl: the command that reaches the cluster.
        directory: folder for its YAML.
    """

    api_url: str
    token: str
    ca_file: str
    kubectl: tuple[str, ...]
    directory: Path


def run(target: DemoTarget, console: Console) -> None:
    """Upload the data, run the pipeline, query its tables, run it again through kubectl, give its tables to Polars.

    Prints each step and its result.

    Raises:
        DemoError: a step failed.
    """
    api = Api(target.api_url, target.token, target.ca_file)
    store = WorkspaceStore.open(target.kubectl, pipeline.WORKSPACE)

    console.rule("The warehouse")
    warehouse = api.save_warehouse(pipeline.WAREHOUSE, pipeline.WAREHOUSE_SIZE)
    console.print(f"POST /api/v1/sql/warehouses → {warehouse['id']}, {warehouse['status']}", highlight=False)

    console.rule("The data")
    with console.status("Uploading the flights that left New York City in 2013"):
        where = store.upload_flights()
    console.print(f"Uploaded {where}", highlight=False, soft_wrap=True)

    console.rule("The pipeline, through REST")
    job = api.save_job(pipeline.rest_job())
    run_id = api.start_run(job["id"])
    console.print(f"POST /api/v1/jobs → {job['id']}", highlight=False)
    console.print(f"POST /api/v1/jobs/{job['id']}/run → {run_id}\n", highlight=False)
    _follow(api, run_id, console)
    for key in ("ingest", "transform"):
        console.print(f"\n[bold]GET /api/v1/runs/{run_id}/tasks/{key}/logs[/]", highlight=False)
        for line in api.logs(run_id, key):
            text = f"{line['timestamp'][:23]}  {line['message']}"
            console.print(text, highlight=False, markup=False, soft_wrap=True)

    console.rule("Its tables, through SQL")
    for query in pipeline.QUERIES:
        _show_query(api, query, console)
    console.print(f"[bold]GET /api/v1/runs/{run_id}/lineage[/]", highlight=False)
    console.print(_lineage_table(api.lineage(run_id)))

    console.rule("The same pipeline, through kubectl")
    run_with_kubectl(console, target.kubectl, target.directory)

    console.rule("Its tables, through Polars")
    _show_polars(api, console)
    _next_steps(console, run_id)


def _follow(api: Api, run_id: str, console: Console) -> None:
    with Live(console=console, refresh_per_second=8) as live:
        view = api.wait_for_run(run_id, _RUN_TIMEOUT_SECONDS, lambda view: live.update(_task_table(view)))
    if view.run["status"] != "success":
        raise DemoError(f"run {run_id} ended {view.run['status']}: {view.run.get('error')}")


def _task_table(view: RunView) -> Table:
    table = Table(title=f"run {view.run['id']}: {view.run['status']}", title_justify="left")
    for column in ("task", "status", "retries", "error"):
        table.add_column(column)
    for task in view.tasks:
        colour = _COLOURS.get(task["status"], "default")
        status = f"[{colour}]{task['status']}[/]"
        table.add_row(task["key"], status, str(task.get("retry_count", 0)), task.get("error") or "")
    return table


def _show_query(api: Api, query: str, console: Console) -> None:
    console.print("[bold]POST /api/v1/sql/execute[/]", highlight=False)
    console.print(query, highlight=False, markup=False, soft_wrap=True)
    with console.status("Waiting for the warehouse"):
        answer = api.query(query, pipeline.WAREHOUSE)
    read = ", ".join(answer.lineage["read"])
    console.print(_rows_table(answer.columns, answer.rows))
    console.print(
        f"{len(answer.rows)} rows by {answer.engine} in {answer.elapsed_ms:.0f} ms; read {read}\n",
        highlight=False,
        soft_wrap=True,
    )


def _show_polars(api: Api, console: Console) -> None:
    console.print("[bold]POST /api/v1/warehouse/polars[/]", highlight=False)
    console.print(pipeline.POLARS_SCRIPT.rstrip(), highlight=False, markup=False, soft_wrap=True)
    with console.status("Waiting for the sandbox"):
        answer = api.run_polars(pipeline.polars_workload())
    console.print(_rows_table(answer.columns, answer.rows))
    saved = answer.saved
    console.print(
        f"{len(answer.rows)} rows in {answer.execution_time}, in a sandbox; "
        f"{saved['rows_written']} rows saved as {saved['table']} ({saved['mode']})\n",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"[bold]GET /api/v1/runs/{answer.run_id}/lineage[/]", highlight=False)
    console.print(_lineage_table(api.lineage(answer.run_id)))


def _rows_table(columns: list[str], rows: list[list[Any]]) -> Table:
    table = Table()
    for column, name in enumerate(columns):
        is_numeric = all(isinstance(row[column], int | float) for row in rows)
        table.add_column(name, justify="right" if is_numeric else "left")
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    return table


def _lineage_table(lineage: dict[str, Any]) -> Table:
    table = Table()
    for column in ("", "table", "snapshot"):
        table.add_column(column)
    for verb in ("read", "written"):
        for found in lineage[f"{verb}_snapshots"]:
            table.add_row(verb, found["table"], str(found["snapshot_id"]))
    return table


def _next_steps(console: Console, run_id: str) -> None:
    console.rule("Your turn")
    console.print(
        f"""The platform keeps running. Try:

  eval "$(.venv/bin/icefield env)"          # POLNOR_API_URL, POLNOR_TOKEN, KUBECONFIG, kubectl on PATH
  curl -s -H "Authorization: Bearer $POLNOR_TOKEN" $POLNOR_API_URL/api/v1/runs/{run_id}
  .venv/bin/python -c 'import polnor; print(polnor.sql("SHOW TABLES IN flights", warehouse_id="demo").rows)'
  kubectl create -f manifests/examples/polars-run.yaml
  kubectl get jobs.icefield.dev,runs.icefield.dev,warehouses.icefield.dev --all-namespaces
  kubectl explain jobs.icefield.dev.spec.tasks

These are Iceberg tables: see docs/catalog.md for PyIceberg and DuckDB on this machine, docs/sql.md for everything else.
Stop it with: make down""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
