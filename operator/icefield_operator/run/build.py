"""Pure: from a Run and its tasks to the manifests of its children."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, Self

from icefield_crds import EnvVar, Execution, Flavor, Run, Task, labels, names
from icefield_crds.environment import parameter_variables
from icefield_crds.names import TASK_CONTAINER
from icefield_crds.requirements import ENVIRONMENT_DIRECTORY
from icefield_kube.client import Manifest
from icefield_operator import pod_spec

from . import files

WORKING_DIRECTORY = "/workspace"
TINI_DIRECTORY = "/icefield"
GRACE_SECONDS = 10
TOKEN_KEY = "token"  # noqa: S105 - a key in a Secret
OUTLIVE_CHILDREN = "trap 'exit 143' TERM; "
"""A shell that dies of SIGTERM ends the container and its children at once. One with a trap waits for its child first,
which also gets the signal (tini -g) and does not inherit the trap."""

_OWN_ENVIRONMENT = "/tmp/environment"  # noqa: S108 - in the container
_TEMPLATE = "/opt/icefield/task-environment"
"""In our images and those made from them (images/runtime)."""


def _activate(directory: str) -> str:
    return f'export VIRTUAL_ENV={directory} PATH="{directory}/bin:$PATH"; '


_ACTIVATE_BUILT = _activate(ENVIRONMENT_DIRECTORY)
_ACTIVATE_OWN = (
    f"if [ -d {_TEMPLATE} ] && cp -R {_TEMPLATE} {_OWN_ENVIRONMENT} 2>/dev/null; then {_activate(_OWN_ENVIRONMENT)}fi; "
)
_RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_TINI_SIZE = "4Mi"
_TINI_RESOURCES = pod_spec.with_local_storage(
    {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}, "16Mi"
)


@dataclass(frozen=True)
class TaskImages:
    """The images of task pods."""

    runtime: str
    """The default image of tasks; it contains tini."""
    tini: str
    """The image that carries tini into pods of other images."""
    pull_policy: str


@dataclass(frozen=True)
class RunPodContext:
    """What all pods of a run share."""

    run: Run
    execution: Execution
    workspace: str
    """The workspace's slug."""
    workspace_uid: str
    """The workspace's metadata.uid."""
    api_url: str
    images: TaskImages
    warehouse_id: str | None = None
    """Public id of the warehouse that programs use when they name none."""


def task_token_key(task: str) -> str:
    """Return the key, in the Secret of a run's tokens, of the token of the task with this key."""
    return f"{TOKEN_KEY}.{task}"


@dataclass(frozen=True)
class TokenPlace:
    """Where the token of an attempt is: a Secret, and the key in it."""

    secret: str
    key: str

    @classmethod
    def of_attempt(cls, run: Run, task: str, attempt: int) -> Self:
        """Return the place of the token of an attempt of a task: those of first attempts are made with the run."""
        if attempt == 0:
            return cls(names.run_token_secret(run.metadata.name), task_token_key(task))
        return cls(names.attempt_token_secret(run.metadata.name, task, attempt), TOKEN_KEY)

    @classmethod
    def of_run(cls, run: Run) -> Self:
        """Return the place of the token that a whole run has."""
        return cls(names.run_token_secret(run.metadata.name), TOKEN_KEY)


def token_secret(run: Run, workspace: str, name: str, tokens: Mapping[str, str]) -> Manifest:
    """Return a Secret that holds tokens of the run, by the keys that they have in it."""
    metadata = prerequisite_metadata(run, workspace, name)
    data = {key: base64.b64encode(token.encode()).decode() for key, token in tokens.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def files_config_map(run: Run, workspace: str, execution: Execution) -> Manifest | None:
    """Return the ConfigMap with the run's inline files, or None when it has none."""
    if not execution.files:
        return None
    metadata = prerequisite_metadata(run, workspace, names.run_files_config_map(run.metadata.name))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files.config_map_data(execution)}


def pod(context: RunPodContext, task: Task, attempt: int, flavor: Flavor, deadline_seconds: int | None) -> Manifest:
    """Return the pod that runs one attempt of a task.

    Args:
        context: the run and what its pods share.
        task: the task, its defaults filled in.
        attempt: number of the attempt, from 0.
        flavor: the size of the container.
        deadline_seconds: seconds after which the kubelet ends it.
    """
    run, foreign = context.run, task.image is not None and task.image != context.images.runtime
    metadata = metadata_of(run, context.workspace, names.pod_name(run.metadata.name, task.key, attempt))
    metadata["labels"] = labels.of_task_pod(
        context.workspace, context.workspace_uid, run.metadata.name, task.key, attempt
    )
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        **pod_spec.restricted_pod(),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_container(context, task, attempt, flavor, foreign)],
        "volumes": _volumes(context, flavor, foreign),
    }
    if foreign:
        spec["initContainers"] = [_tini_container(context.images)]
    if deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = deadline_seconds
    spec |= pod_spec.placement(flavor)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def deadline_seconds(task: Task, run_deadline: datetime | None, now: datetime) -> int | None:
    """Return after how many seconds the kubelet ends an attempt that starts now: the task's or the run's timeout."""
    limits = [task.timeout_seconds] if task.timeout_seconds is not None else []
    if run_deadline is not None:
        limits.append(max(ceil((run_deadline - now).total_seconds()), 1))
    return min(limits, default=None)


def _container(context: RunPodContext, task: Task, attempt: int, flavor: Flavor, foreign: bool) -> Manifest:
    tini = f"{TINI_DIRECTORY}/tini" if foreign else "/usr/bin/tini"
    copy_files = files.COPY_COMMAND if context.execution.files else ""
    return {
        "name": TASK_CONTAINER,
        "image": task.image or context.images.runtime,
        "imagePullPolicy": context.images.pull_policy,
        "command": [tini, "-g", "--", "sh", "-c", _literal(preparation(context, task) + copy_files + task.command)],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "workingDir": WORKING_DIRECTORY,
        "env": environment(context, task, attempt, TokenPlace.of_attempt(context.run, task.key, attempt)),
        # Later ones win, and `env` wins over all of them.
        "envFrom": [
            {"secretRef": {"name": names.ENVIRONMENT_SECRET, "optional": True}},
            {"secretRef": {"name": names.OBJECT_STORE_SECRET}},
        ],
        "resources": _resources(flavor),
        "securityContext": _RESTRICTED,
        "volumeMounts": _mounts(context.execution, foreign),
    }


def preparation(context: RunPodContext, task: Task) -> str:
    """Return what the shell does before a command.

    The variables of a workspace come from a Secret, over which `env` would win, and those of an image only the
    container knows: so what has to be added to either is set here.
    """
    warehouse = context.warehouse_id
    default = f'export POLNOR_WAREHOUSE_ID="${{POLNOR_WAREHOUSE_ID-{warehouse}}}"; ' if warehouse else ""
    return OUTLIVE_CHILDREN + default + (_ACTIVATE_BUILT if task.requirements or task.lock else _ACTIVATE_OWN)


def environment(context: RunPodContext, task: Task, attempt: int, place: TokenPlace) -> list[Manifest]:
    """Return the variables; later ones win: our defaults, the user's, and ours that cannot be overridden.

    Args:
        context: the run and what its pods share.
        task: the task.
        attempt: number of the attempt, from 0.
        place: where its token is.
    """
    run = context.run
    defaults = {
        **pod_spec.python_env(),
        # PyIceberg's catalog "default": through our API, which learns from the token what the run reads and writes.
        "PYICEBERG_CATALOG__DEFAULT__TYPE": "rest",
        "PYICEBERG_CATALOG__DEFAULT__URI": f"{context.api_url}/iceberg",
        "PYICEBERG_CATALOG__DEFAULT__WAREHOUSE": context.workspace,
    }
    fixed = {
        "POLNOR_API_URL": context.api_url,
        "POLNOR_RUN_ID": run.public_id,
        "POLNOR_TASK_KEY": task.key,
        "POLNOR_WORKSPACE_SLUG": context.workspace,
        "ICEFIELD_ATTEMPT": str(attempt),
    }
    token = {"secretKeyRef": {"name": place.secret, "key": place.key}}
    variables = [
        *_values(defaults),
        {"name": "PYICEBERG_CATALOG__DEFAULT__TOKEN", "valueFrom": token},
        *(user_variable(variable) for variable in task.env),
        *parameters(context.execution.params),
        *_values(fixed),
        {"name": "POLNOR_TOKEN", "valueFrom": token},
        {"name": "ICEFIELD_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    ]
    return list({variable["name"]: variable for variable in variables}.values())


def _values(values: dict[str, str]) -> list[Manifest]:
    return [{"name": name, "value": _literal(value)} for name, value in values.items()]


def parameters(params: dict[str, str]) -> list[Manifest]:
    """Return a run's parameters as variables: each by its name, and all of them as JSON."""
    return _values(parameter_variables(params))


def user_variable(variable: EnvVar) -> Manifest:
    """Return a variable of the user as a container has it."""
    if variable.value_from is not None:
        return variable.to_api()
    return {"name": variable.name, "value": _literal(variable.value or "")}


def _literal(text: str) -> str:
    """Return the text with `$` escaped as `$$`, which Kubernetes' $(NAME) expansion turns back."""
    return text.replace("$", "$$")


def _resources(flavor: Flavor) -> Manifest:
    limits: dict[str, Any] = {"cpu": flavor.spec.cpu, "memory": flavor.spec.memory}
    wanted = flavor.spec.requests
    requests: dict[str, Any] = dict(limits)
    if wanted:
        requests |= {name: value for name, value in (("cpu", wanted.cpu), ("memory", wanted.memory)) if value}
    if flavor.spec.gpu:
        limits["nvidia.com/gpu"] = requests["nvidia.com/gpu"] = str(flavor.spec.gpu)
    return pod_spec.with_local_storage(
        {"requests": requests, "limits": limits},
        flavor.spec.ephemeral_storage,
        pod_spec.local_storage_request(flavor),
    )


def _mounts(execution: Execution, foreign: bool) -> list[Manifest]:
    mounts: list[Manifest] = [
        {"name": "workspace", "mountPath": WORKING_DIRECTORY},
        pod_spec.CA_MOUNT,
    ]
    if execution.files:
        mounts.append(files.MOUNT)
    if foreign:
        mounts.append({"name": "tini", "mountPath": TINI_DIRECTORY, "readOnly": True})
    return mounts


def _volumes(context: RunPodContext, flavor: Flavor, foreign: bool) -> list[Manifest]:
    volumes: list[Manifest] = [
        pod_spec.scratch_volume("workspace", flavor.spec.ephemeral_storage),
        pod_spec.CA_VOLUME,
    ]
    if context.execution.files:
        volumes.append(files.volume(context.run))
    if foreign:
        volumes.append(pod_spec.scratch_volume("tini", _TINI_SIZE))
    return volumes


def _tini_container(images: TaskImages) -> Manifest:
    return {
        "name": "tini",
        "image": images.tini,
        "imagePullPolicy": images.pull_policy,
        "args": [f"{TINI_DIRECTORY}/tini"],
        "resources": _TINI_RESOURCES,
        "securityContext": _RESTRICTED,
        "volumeMounts": [{"name": "tini", "mountPath": TINI_DIRECTORY}],
    }


def metadata_of(run: Run, workspace: str, name: str) -> Manifest:
    """Return the metadata of an object of this name that the run owns."""
    return {
        "name": name,
        "namespace": run.metadata.namespace,
        "labels": labels.of_run_child(workspace, run.metadata.name),
        "ownerReferences": [run.owner_reference.to_api()],
    }


def prerequisite_metadata(run: Run, workspace: str, name: str) -> Manifest:
    """Return the metadata of an object of this name that the run needs before its first pod, until its end."""
    metadata = run.metadata
    marks = labels.of_run_prerequisite(workspace, metadata.name, metadata.uid)
    return {**metadata_of(run, workspace, name), "labels": marks}
