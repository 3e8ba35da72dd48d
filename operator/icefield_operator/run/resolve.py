"""Pure: what a pass over a Run needs of the cached snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from icefield_crds import Execution, Flavor, Job, Run, RunSpec, RunStatus, Task, Warehouse, Workspace
from icefield_crds.names import SINGLE_COMMAND_KEY
from icefield_crds.workspace import DEFAULT_FLAVOR
from icefield_operator.cluster_cache import ClusterCache

T = TypeVar("T")


@dataclass(frozen=True)
class RunFacts:
    """A Run and the resources that it refers to."""

    run: Run
    workspace: Workspace | None
    job: Job | None
    """The Job of jobRef, when it exists."""
    execution: Execution | None
    """What the run executes; None while it waits for its Job."""
    tasks: Sequence[Task]
    """The DAG with every default filled in: the image (None: the runtime image), flavor, env, retries and timeout."""
    flavors: Mapping[str, Flavor]
    """The Flavors that the tasks name, as far as they exist; workloads and applications name none."""
    known_flavors: Sequence[str] = ()
    """The names of all Flavors, where one that a task names is missing."""
    written: RunStatus | None = None
    """The Run's status in Kubernetes; that of `run` may be newer (unwritten.py)."""
    replaces: str | None = None
    """A run that this one replaces and that has not ended."""
    warehouse_id: str | None = None
    """Public id of the warehouse that the run's programs use when they name none."""


def facts(run: Run, written: RunStatus | None, cache: ClusterCache) -> RunFacts:
    """Return a Run with the resources that it refers to, and its status as it is written."""
    namespace = run.metadata.namespace or ""
    workspace = cache.workspace_of_namespace(namespace)
    execution = run.execution
    tasks = tasks_of(execution, workspace) if execution else []
    found = {name: cache.flavor(name) for name in {task.flavor for task in tasks if task.flavor}}
    return RunFacts(
        run=run,
        workspace=workspace,
        job=cache.job(namespace, run.spec.job_ref.name) if run.spec.job_ref else None,
        execution=execution,
        tasks=tasks,
        flavors={name: flavor for name, flavor in found.items() if flavor},
        known_flavors=() if all(found.values()) else cache.flavor_names(),
        written=written,
        replaces=min(cache.unfinished_replaced_by(namespace, run.metadata.name), default=None),
        warehouse_id=default_warehouse_id(workspace, cache.warehouses(namespace)),
    )


def default_warehouse_id(workspace: Workspace | None, warehouses: Sequence[Warehouse]) -> str | None:
    """Return the public id of a workspace's default warehouse: the one that it names, else the only one there is."""
    named = workspace.spec.default_warehouse if workspace else None
    found = [each for each in warehouses if named is None or each.metadata.name == named]
    return found[0].public_id if len(found) == 1 else None


def tasks_of(execution: Execution, workspace: Workspace | None) -> list[Task]:
    """Return the DAG of an execution, with the defaults of its tasks filled in from the execution and the workspace."""
    if isinstance(execution, RunSpec) and execution.polars is not None:
        # Never retried: what it wrote may exist.
        limit = execution.max_disruption_retries
        task = Task(key=SINGLE_COMMAND_KEY, command="polars", max_retries=0, max_disruption_retries=limit)
        return [task.model_copy(update=_required(execution, task))]
    if isinstance(execution, RunSpec) and execution.spark is not None:
        retries, limit = execution.max_retries or 0, execution.max_disruption_retries
        task = Task(key=SINGLE_COMMAND_KEY, command="spark", max_retries=retries, max_disruption_retries=limit)
        return [task.model_copy(update=_required(execution, task))]
    tasks = execution.tasks
    if tasks is None:
        tasks = [Task(key=SINGLE_COMMAND_KEY, command=execution.command or "")]
    flavor = execution.flavor or (workspace.spec.default_flavor if workspace else DEFAULT_FLAVOR)
    return [
        task.model_copy(
            update={
                "image": task.image or execution.image,
                "flavor": task.flavor or flavor,
                "env": _merged(execution.env, task.env, lambda variable: variable.name),
                **_required(execution, task),
                "max_retries": (execution.max_retries or 0) if task.max_retries is None else task.max_retries,
                "max_disruption_retries": execution.max_disruption_retries
                if task.max_disruption_retries is None
                else task.max_disruption_retries,
            }
        )
        for task in tasks
    ]


def _required(execution: Execution, task: Task) -> dict[str, Any]:
    """Return the packages that a task needs: with a lock of its own nothing of the execution's."""
    if task.lock:
        return {"requirements": [], "lock": task.lock}
    return {"requirements": [*execution.requirements, *task.requirements], "lock": execution.lock}


def snapshot(run: Run, job: Job) -> Execution:
    """Return what a Run that names only a Job executes: the Job as it is now, with the Run's own overrides."""
    own, of_job = run.spec, job.spec
    merged = of_job.executed_fields()
    for name in ("image", "flavor", "timeout_seconds", "max_retries", "max_disruption_retries"):
        if getattr(own, name) is not None:
            merged[name] = getattr(own, name)
    merged["env"] = _merged(of_job.env, own.env, lambda variable: variable.name)
    merged["files"] = _merged(merged["files"], own.files, lambda file: file.path)
    merged["params"] = of_job.params | own.params
    if own.lock:
        merged |= {"requirements": [], "lock": own.lock}
    elif own.requirements:
        merged["requirements"] = [*of_job.requirements, *own.requirements]
    return Execution.model_construct(**merged)


def _merged(under: Iterable[T], over: Iterable[T], key: Callable[[T], str]) -> list[T]:
    return list({**{key(item): item for item in under}, **{key(item): item for item in over}}.values())
