"""In which order each kind is listed, and the further lists that are kept of it."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_crds import Flavor, Job, Run, Warehouse, Workspace

from .store import Order


def job_group(namespace: str, job: str) -> str:
    """Return the group of a job's runs."""
    return f"{namespace}/job/{job}"


def named_group(namespace: str, display_name: str) -> str:
    """Return the group of the jobs that people gave this name."""
    return f"{namespace}/name/{display_name}"


def warehouse_name_group(namespace: str, display_name: str) -> str:
    """Return the group of the warehouses that people gave this name."""
    return f"{namespace}/warehouse-name/{display_name}"


def unfinished_group(namespace: str) -> str:
    """Return the group of a namespace's runs that have not ended."""
    return f"{namespace}/unfinished"


def _newest_first(run: Run) -> tuple[int]:
    created = run.metadata.creation_timestamp
    return (-int(created.timestamp()) if created else 0,)


def _groups_of_run(run: Run) -> Iterator[str]:
    namespace = run.metadata.namespace or ""
    if run.spec.job_ref:
        yield job_group(namespace, run.spec.job_ref.name)
    if not run.phase.is_terminal:
        yield unfinished_group(namespace)


def _groups_of_job(job: Job) -> Iterator[str]:
    if job.spec.display_name:
        yield named_group(job.metadata.namespace or "", job.spec.display_name)


def _groups_of_warehouse(warehouse: Warehouse) -> Iterator[str]:
    if warehouse.spec.display_name:
        yield warehouse_name_group(warehouse.metadata.namespace or "", warehouse.spec.display_name)


WORKSPACES: Order[Workspace] = Order(key=lambda workspace: (workspace.metadata.name,))
FLAVORS: Order[Flavor] = Order(key=lambda flavor: (flavor.metadata.name,))
JOBS: Order[Job] = Order(key=lambda job: (job.metadata.name,), groups=_groups_of_job)
RUNS: Order[Run] = Order(key=_newest_first, groups=_groups_of_run)
WAREHOUSES: Order[Warehouse] = Order(key=lambda warehouse: (warehouse.metadata.name,), groups=_groups_of_warehouse)
