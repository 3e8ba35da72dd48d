"""`icefield demo`: a pipeline over real data, through REST and then through kubectl."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
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
        directory: where the demo may leave its YAML.
    """

    api_url: str
    token: str
    ca_file: str
    kubectl: tuple[str, ...]
    directory: Path


def run(target: DemoTarget, console: Console) -> None:
    """Upload the data, run the pipeline through REST and through kubectl, and show everything on the way.

    Raises:
        DemoError: a step did not do what it should.
    """
    api = Api(target.api_url, target.token, target.ca_file)
    store = WorkspaceStore.open(target.kubectl, pipeline.WORKSPACE)

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
    console.print("", _result_table(store.result()), sep="\n")

    console.rule("The same pipeline, through kubectl")
    run_with_kubectl(console, target.kubectl, target.directory)
    _next_steps(console, run_id)


def _follow(api: Api, run_id: str, console: Console) -> None:
    with Live(console=console, refresh_per_second=8) as live:
        for view in api.watch_run(run_id, _RUN_TIMEOUT_SECONDS):
            live.update(_task_table(view))
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


def _result_table(frame: pl.DataFrame) -> Table:
    table = Table(title="flights/delays_by_carrier.parquet", title_justify="left")
    for name, dtype in frame.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left")
    for row in frame.iter_rows():
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    return table


def _next_steps(console: Console, run_id: str) -> None:
    console.rule("Your turn")
    console.print(
        f"""The platform keeps running. Try:

  eval "$(.venv/bin/icefield env)"          # POLNOR_API_URL, POLNOR_TOKEN, KUBECONFIG, kubectl on PATH
  curl -s -H "Authorization: Bearer $POLNOR_TOKEN" $POLNOR_API_URL/api/v1/runs/{run_id}
  .venv/bin/python -c 'import polnor; print(polnor.jobs.list())'
  kubectl get jobs.icefield.dev,runs.icefield.dev --all-namespaces
  kubectl explain jobs.icefield.dev.spec.tasks

Stop it with: make down""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
