"""Every name that more than one package depends on.

Names of children are deterministic: a retried reconcile finds what it already created.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

GROUP = "icefield.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

SYSTEM_NAMESPACE = "icefield-system"
NAMESPACE_PREFIX = "icefield-"
FIELD_MANAGER = "icefield-operator"

WORKSPACE_FINALIZER = f"{GROUP}/workspace-cleanup"
"""The only finalizer: a Workspace owns resources outside the cluster (bucket prefix, credentials)."""

OBJECT_STORE_SECRET = "icefield-object-store"  # noqa: S105 - the name of a Secret, not a secret
OBJECT_STORE_READER_SECRET = "icefield-object-store-reader"  # noqa: S105
OBJECT_STORE_MEMBERS_SECRET = "icefield-object-store-members"  # noqa: S105
"""The members' own keys of the object store, in the format of `icefield_crds.wire.member_keys`."""
CATALOG_SECRET = "icefield-catalog"  # noqa: S105
WAREHOUSE_TOKEN_SECRET = "icefield-warehouse-token"  # noqa: S105
"""Key `token`: the bearer token of the gateways of a workspace's warehouses."""
ENVIRONMENT_SECRET = "icefield-environment"  # noqa: S105
"""Variables for all tasks of a workspace, set by its users; the operator creates it empty and never writes to it."""
POLARS_CLOUD_SECRET = "icefield-polars-cloud"  # noqa: S105
"""Credentials of Polars Cloud, created by users: accessToken, or clientId and clientSecret; and the workspace there."""
GATEWAY_PORT = 8080
SANDBOX_PORT = 8080
SPARK_DRIVER_PORT = 7078
SPARK_BLOCK_MANAGER_PORT = 7079
CA_BUNDLE_CONFIG_MAP = "icefield-ca"
CA_BUNDLE_KEY = "ca-bundle.crt"
CA_TRUST_STORE_KEY = "ca-bundle.p12"
"""The CA bundle for Java: PKCS 12, without a password."""
WARM_PRIORITY_CLASS = "icefield-warm"
"""Of pods that wait for work (manifests/base/priority-class.yaml): whatever a user started evicts them."""
IMPERSONATOR_CLUSTER_ROLE = "icefield-impersonator"
API_SERVER_ACCOUNT = "icefield-apiserver"
"""The API server's service account, in icefield-system."""
API_SERVER_WORKSPACE_ROLE = "icefield-apiserver-workspace"
"""The ClusterRole with what the API server reads in a workspace, bound in each one's namespace."""
PLATFORM_ADMIN_USER = "icefield:platform:admin"
WORKSPACE_ADMIN_ROLES = "icefield:workspace:"
"""How the names of the ClusterRoles begin with which administrators of workspaces read and change their Workspace."""
PERSON_EXTRA = "icefield.dev/person"

JOB_NAMESPACE_ANNOTATION = f"{GROUP}/job-namespace"
JOB_NAME_ANNOTATION = f"{GROUP}/job-name"
"""On a Run without a Job: namespace and name of the job that its submitter counts it as."""
PERSON_ANNOTATION = PERSON_EXTRA
"""On a Run: the person who started it and whose grants it has; manifests/base/access/run-person.yaml keeps it true."""
RUN_TAGS_ANNOTATION = f"{GROUP}/run-tags"
"""On a Run: tags, as a JSON list of {"key", "value", "source"}."""
END_REQUESTED_ANNOTATION = f"{GROUP}/end-requested"
"""On a task's pod: when the operator asked its kubelet to end it."""

TASK_CONTAINER = "task"
"""The container of a task's pod that runs its command."""

SINGLE_COMMAND_KEY = "main"
"""The task key of a run that has a command and no tasks."""

MAX_NAME_LENGTH = 63
MAX_DATABASE_LENGTH = 128
MAX_TABLE_LENGTH = 257
"""Of the name of a table below its database, such as `orders` or `raw.orders`: two names and a dot."""
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def namespace_of(workspace: str) -> str:
    """Return the namespace that belongs to the workspace with this slug."""
    return NAMESPACE_PREFIX + workspace


def workspace_admin_role(workspace: str) -> str:
    """Return the name of the ClusterRole with which a workspace's administrators read and change the Workspace."""
    return f"{WORKSPACE_ADMIN_ROLES}{workspace}:admin"


def workspace_of(namespace: str) -> str | None:
    """Return the slug of the workspace that owns a namespace, or None for any other namespace."""
    if namespace == SYSTEM_NAMESPACE or not namespace.startswith(NAMESPACE_PREFIX):
        return None
    return namespace.removeprefix(NAMESPACE_PREFIX)


def impersonated_user(workspace: str, role: str) -> str:
    """Return the Kubernetes user that represents a role (viewer, editor, admin) in a workspace."""
    return f"icefield:{workspace}:{role}"


def public_id(prefix: str, uid: str) -> str:
    """Return the public id of a resource: the kind's prefix and the first 12 hex digits of metadata.uid."""
    return f"{prefix}_{uid.replace('-', '')[:12]}"


def slugify(display_name: str, max_length: int = 50) -> str:
    """Return the metadata.name for a display name: lower case, ASCII letters, digits and dashes, at most max_length.

    Raises:
        ValueError: no character of the display name is allowed in a Kubernetes name.
    """
    ascii_name = unicodedata.normalize("NFKD", display_name).encode("ascii", "ignore").decode().lower()
    slug = _NOT_SLUG.sub("-", ascii_name).strip("-")[:max_length].rstrip("-")
    if not slug:
        raise ValueError(f"{display_name!r} has no letter or digit to make a name of")
    return slug


def pod_name(run: str, task_key: str, attempt: int) -> str:
    """Return the name of the pod that runs one attempt (counted from 0) of a run's task.

    The digest keeps run "a-b" with task "c" apart from run "a" with task "b-c".
    """
    digest = hashlib.sha256(f"{run}/{task_key}".encode()).hexdigest()[:8]
    key = _NOT_SLUG.sub("-", task_key.lower()).strip("-")
    return f"{_cut(run, 28)}-{_cut(key, 18)}-{digest}-{attempt}"


def run_token_secret(run: str) -> str:
    """Return the name of the Secret that holds a run's own tokens."""
    return _child(run, "tokens")


def attempt_token_secret(run: str, task_key: str, attempt: int) -> str:
    """Return the name of the Secret that holds the token of one attempt of a run's task, of one after the first."""
    return _child(pod_name(run, task_key, attempt), "token")


def run_files_config_map(run: str) -> str:
    """Return the name of the ConfigMap that holds a run's inline files."""
    return _child(run, "files")


def warehouse_child(warehouse: str) -> str:
    """Return the name of what a warehouse has one of, such as its NetworkPolicy."""
    return _child(warehouse, "warehouse")


def warehouse_pod(warehouse: str, digest: str) -> str:
    """Return the name of a pod of a warehouse, which may have several: one serves while its predecessor drains.

    Args:
        warehouse: name of the warehouse.
        digest: of what makes the pod another than those beside it.
    """
    return _child(warehouse, f"warehouse-{digest}")


def sandbox_pod(number: str) -> str:
    """Return the name of a warm sandbox."""
    return f"sandbox-{number}"


def environment_builder(digest: str) -> str:
    """Return the name of the pod that builds the environment of this digest."""
    return f"environment-{digest[:12]}"


def spark_executor_config_map(run: str) -> str:
    """Return the name of the ConfigMap with the template of a Spark application's executor pods."""
    return _child(run, "executor")


def scheduled_run(job: str, minute: int) -> str:
    """Return the name of the Run that a job's schedule starts for a minute since the epoch."""
    return _child(job, str(minute))


def skipped_schedule_event(job_uid: str, minute: int) -> str:
    """Return the name of the Event that a Job's schedule started no run at a minute since the epoch."""
    return f"skipped-schedule.{job_uid}.{minute}"


def run_event(run_uid: str, what: str) -> str:
    """Return the name of an Event of a Run; the same is told once."""
    return f"run.{run_uid}.{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def _child(owner: str, suffix: str) -> str:
    name = f"{owner}-{suffix}"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(owner.encode()).hexdigest()[:8]
    return f"{_cut(owner, MAX_NAME_LENGTH - len(suffix) - 10)}-{digest}-{suffix}"


def _cut(name: str, length: int) -> str:
    return name.replace(".", "-")[:length].rstrip("-")
