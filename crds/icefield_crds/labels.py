"""Labels of children, and the selectors built of them.

Children get these and nothing else: a copied user label makes a GitOps controller prune the child
(fluxcd/kustomize-controller#410).
"""

from __future__ import annotations

from .names import FIELD_MANAGER, GROUP

MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"
WORKSPACE = f"{GROUP}/workspace"
WORKSPACE_UID = f"{GROUP}/workspace-uid"
"""metadata.uid of the Workspace, on what outlives its pods elsewhere: a name may be given again."""
JOB = f"{GROUP}/job"
RUN = f"{GROUP}/run"
RUN_UID = f"{GROUP}/run-uid"
"""metadata.uid of the Run, on what is deleted for many runs at once: a name may be given again."""
TASK = f"{GROUP}/task"
ATTEMPT = f"{GROUP}/attempt"
WAREHOUSE = f"{GROUP}/warehouse"
SANDBOX = f"{GROUP}/sandbox"
"""On every sandbox, with a workload or without one: network policies select it."""

TASK_COMPONENT = "task"
WAREHOUSE_COMPONENT = "warehouse"
EXECUTOR_COMPONENT = "spark-executor"
"""Of a warehouse, which runs SQL that the API server has analyzed; such a pod reaches the catalog directly."""
APPLICATION_EXECUTOR_COMPONENT = "spark-application-executor"
"""Of a Spark application, which runs any code: network policies of the platform do not admit it."""
SANDBOX_COMPONENT = "polars-sandbox"
ENVIRONMENT_COMPONENT = "environment-builder"
"""The pods that build the environments of requirements: code of packages runs there, with no keys of ours."""
LOG_AGENT_COMPONENT = "log-agent"
"""The pods, one a node, that archive the logs of the tasks on their node."""

LOCAL_SANDBOX = "true"
CLOUD_SANDBOX = "cloud"


def of_workspace_child(workspace: str) -> dict[str, str]:
    """Return the labels of what a Workspace owns."""
    return {MANAGED_BY: FIELD_MANAGER, WORKSPACE: workspace}


def of_run_child(workspace: str, run: str) -> dict[str, str]:
    """Return the labels of what a Run owns besides its pods."""
    return {**of_workspace_child(workspace), RUN: run}


def of_run_prerequisite(workspace: str, run: str, uid: str) -> dict[str, str]:
    """Return the labels of what a Run needs before its first pod, until its end."""
    return {**of_run_child(workspace, run), RUN_UID: uid}


def of_task_pod(workspace: str, workspace_uid: str, run: str, task_key: str, attempt: int) -> dict[str, str]:
    """Return the labels of the pod of one task attempt (counted from 0)."""
    of_task = {WORKSPACE_UID: workspace_uid, COMPONENT: TASK_COMPONENT, TASK: task_key, ATTEMPT: str(attempt)}
    return of_run_child(workspace, run) | of_task


def of_warehouse_child(workspace: str, warehouse: str) -> dict[str, str]:
    """Return the labels of what a Warehouse owns besides its pods."""
    return {**of_workspace_child(workspace), WAREHOUSE: warehouse}


def of_warehouse_pod(workspace: str, warehouse: str) -> dict[str, str]:
    """Return the labels of a warehouse's pod."""
    return {**of_warehouse_child(workspace, warehouse), COMPONENT: WAREHOUSE_COMPONENT}


def of_executor_pod(workspace: str, warehouse: str) -> dict[str, str]:
    """Return the labels of the pods of a warehouse's Spark executors."""
    return {**of_warehouse_child(workspace, warehouse), COMPONENT: EXECUTOR_COMPONENT}


def of_warm_sandbox(workspace: str) -> dict[str, str]:
    """Return the labels of a sandbox that no workload has yet; with a workload it becomes the pod of a task."""
    return {**of_workspace_child(workspace), COMPONENT: SANDBOX_COMPONENT, SANDBOX: LOCAL_SANDBOX}


def of_sandbox(
    workspace: str, workspace_uid: str, run: str, task_key: str, attempt: int, *, cloud: bool = False
) -> dict[str, str]:
    """Return the labels of the sandbox that has the workload of a run, in this attempt (counted from 0)."""
    of_pod = of_task_pod(workspace, workspace_uid, run, task_key, attempt)
    return {**of_pod, SANDBOX: CLOUD_SANDBOX if cloud else LOCAL_SANDBOX}


def of_environment_builder(workspace: str) -> dict[str, str]:
    """Return the labels of a pod that builds an environment."""
    return {**of_workspace_child(workspace), COMPONENT: ENVIRONMENT_COMPONENT}


def of_application_executor(workspace: str, run: str) -> dict[str, str]:
    """Return the labels of the executor pods of a Spark application."""
    return {**of_run_child(workspace, run), COMPONENT: APPLICATION_EXECUTOR_COMPONENT}


_WATCHED_COMPONENTS = (
    TASK_COMPONENT,
    WAREHOUSE_COMPONENT,
    SANDBOX_COMPONENT,
    ENVIRONMENT_COMPONENT,
    LOG_AGENT_COMPONENT,
)
POD_SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER},{COMPONENT} in ({','.join(_WATCHED_COMPONENTS)})"
"""The pods that the operator watches; executors are managed by their driver."""
TASK_POD_SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER},{COMPONENT}={TASK_COMPONENT}"
"""The pods whose logs are archived."""
CHILD_SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER}"
