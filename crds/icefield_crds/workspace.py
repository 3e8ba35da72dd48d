"""Workspace: a tenant of the platform; it becomes a namespace with everything in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from .conditions import ConditionType, Reason
from .grants import Grant, Group
from .meta import Model, Resource, Status
from .names import namespace_of

DEFAULT_FLAVOR = "cpu.1"

RESERVED_NAMES = ("default", "oleander", "platform", "polnor", "system")
"""`icefield-system` is ours, `platform` is the administrators', and the others have a meaning in SQL names."""


class Role(StrEnum):
    """What a member may do in a workspace; each role includes the ones before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Member(Model):
    """A person's role in the workspace."""

    user: Annotated[str, Field(description="The person's e-mail address.", min_length=3, max_length=253)]
    role: Annotated[Role, Field(description="viewer, editor or admin.")]


class Quotas(Model):
    """Ceilings of the workspace."""

    max_running_runs: Annotated[
        int, Field(description="How many runs may be running at once; further ones wait.", ge=0, le=10000)
    ] = 10
    max_queued_workloads: Annotated[
        int,
        Field(description="How many Polars workloads may be queued; further ones are refused.", ge=0, le=10000),
    ] = 100


class WarmPool(Model):
    """Sandboxes that are started before a workload needs them."""

    size: Annotated[
        int, Field(description="How many of the default tier are kept ready; 0 for none.", ge=0, le=100)
    ] = 2
    idle_minutes: Annotated[
        int, Field(description="Minutes without a Polars workload after which they are removed.", ge=1, le=10080)
    ] = 15


class Sandboxes(Model):
    """The sandboxes in which Polars workloads run."""

    warm_pool: Annotated[WarmPool, Field(description="Sandboxes that are kept ready.")] = WarmPool()


class ObjectStoreCredentials(Model):
    """The workspace's own object store keys, for stores whose users the operator cannot manage."""

    credentials_secret: Annotated[
        str,
        Field(
            description="Secret in icefield-system with accessKeyId and secretAccessKey that open only "
            "the prefix workspaces/<name> of the platform's bucket.",
            min_length=1,
            max_length=253,
        ),
    ]
    reader_credentials_secret: Annotated[
        str | None,
        Field(
            description="Secret in icefield-system with read-only keys of that prefix; without it viewers get none.",
            min_length=1,
            max_length=253,
        ),
    ] = None
    role_arn: Annotated[
        str | None,
        Field(
            description="Role that the workspace's keys assume where the store's STS gives out the keys of people: one "
            "that may do with that prefix what an editor may, and nothing else. Absent for stores without roles.",
            pattern="^arn:[^ ]+$",
            max_length=2048,
        ),
    ] = None


class CatalogProvider(StrEnum):
    """Server of the workspace's Iceberg catalog."""

    EMBEDDED = "embedded"
    LAKEKEEPER = "lakekeeper"
    REST = "rest"


CatalogName = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9_]*[a-z0-9])?$", max_length=63)]


class Catalog(Model):
    """The workspace's Iceberg catalog."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(has(self.provider) && self.provider == 'rest') == has(self.uri)",
                    "message": "uri goes with provider rest, and provider rest needs a uri",
                },
                {
                    "rule": "(has(self.provider) && self.provider == 'rest') || "
                    "(!has(self.warehouse) && !has(self.credentialsSecret))",
                    "message": "warehouse and credentialsSecret go with provider rest",
                },
            ]
        }
    )

    provider: Annotated[
        CatalogProvider | None,
        Field(description="embedded, lakekeeper or rest; what the platform was installed with when absent."),
    ] = None
    aliases: Annotated[
        list[CatalogName],
        Field(
            description="Further names of the catalog in SQL besides the workspace's; no database may have one.",
            max_length=20,
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = ["polnor", "oleander"]
    uri: Annotated[
        str | None,
        Field(description="Provider rest: base URI of an Iceberg REST catalog.", pattern="^https?://", max_length=2048),
    ] = None
    warehouse: Annotated[
        str | None, Field(description="Provider rest: the warehouse to ask the catalog for.", max_length=253)
    ] = None
    credentials_secret: Annotated[
        str | None,
        Field(
            description="Provider rest: Secret in icefield-system with token, the catalog's bearer token.",
            min_length=1,
            max_length=253,
        ),
    ] = None


class DeletionPolicy(StrEnum):
    """What becomes of the data of a workspace that is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


MAX_RETENTION_DAYS = 36500


class RunRetention(Model):
    """How long ended runs stay in Kubernetes, before the archive has them alone."""

    days: Annotated[
        int, Field(description="Days after its end that a run stays in Kubernetes.", ge=0, le=MAX_RETENTION_DAYS)
    ] = 7
    count: Annotated[
        int,
        Field(
            description="How many ended runs stay in Kubernetes; the last run of each job always does.", ge=0, le=10000
        ),
    ] = 2000


class ArchivedRunRetention(Model):
    """How long runs can be read."""

    days: Annotated[
        int, Field(description="Days after its end that a run can be read through REST.", ge=1, le=MAX_RETENTION_DAYS)
    ] = 365


class LogRetention(Model):
    """How long logs can be read."""

    days: Annotated[
        int, Field(description="Days that archived logs of runs are kept.", ge=1, le=MAX_RETENTION_DAYS)
    ] = 90


class StatementRetention(Model):
    """How long the records of SQL statements can be read."""

    days: Annotated[
        int,
        Field(description="Days after a SQL statement that its record is kept.", ge=1, le=MAX_RETENTION_DAYS),
    ] = 30


class LineageRetention(Model):
    """How long lineage can be read."""

    days: Annotated[
        int,
        Field(description="Days that lineage of runs and tables is kept.", ge=1, le=MAX_RETENTION_DAYS),
    ] = 90


class Retention(Model):
    """How long the past of the workspace is kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.archivedRuns.days >= self.runs.days",
                    "message": "archivedRuns.days counts from the end of a run too, and cannot be less than runs.days",
                }
            ]
        }
    )

    runs: Annotated[RunRetention, Field(description="Ended runs in Kubernetes.")] = RunRetention()
    archived_runs: Annotated[ArchivedRunRetention, Field(description="Runs in the archive.")] = ArchivedRunRetention()
    logs: Annotated[LogRetention, Field(description="Archived logs.")] = LogRetention()
    statements: Annotated[StatementRetention, Field(description="Records of SQL statements.")] = StatementRetention()
    lineage: Annotated[LineageRetention, Field(description="Lineage of runs and tables.")] = LineageRetention()


class WorkspaceSpec(Model):
    """Settings of a workspace, made by the platform team."""

    display_name: Annotated[str | None, Field(description="Display name.", max_length=253)] = None
    members: Annotated[
        list[Member],
        Field(
            description="Members of the workspace and their roles.",
            max_length=500,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["user"]},
        ),
    ] = []
    groups: Annotated[
        list[Group],
        Field(
            description="Groups of members, for grants.",
            max_length=100,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    grants: Annotated[
        list[Grant],
        Field(
            description="Who may read and write which tables: a database that a grant names is open to whom its grants "
            "name and to admins, any other database to every member as the role says.",
            max_length=500,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = []
    quotas: Annotated[Quotas, Field(description="Ceilings of the workspace.")] = Quotas()
    default_flavor: Annotated[
        str, Field(description="Flavor of everything that names none.", min_length=1, max_length=253)
    ] = DEFAULT_FLAVOR
    default_warehouse: Annotated[
        str | None,
        Field(
            description="Name of the Warehouse that tasks, Polars scripts and Spark applications find as "
            "POLNOR_WAREHOUSE_ID; the only one there is when absent.",
            min_length=1,
            max_length=253,
        ),
    ] = None
    object_store: Annotated[
        ObjectStoreCredentials | None,
        Field(description="Own object store keys; made by the operator when absent and the store allows it."),
    ] = None
    catalog: Annotated[Catalog, Field(description="The workspace's Iceberg catalog.")] = Catalog()
    sandboxes: Annotated[Sandboxes, Field(description="Sandboxes of its Polars workloads.")] = Sandboxes()
    deletion_policy: Annotated[
        DeletionPolicy,
        Field(
            description="Delete removes catalog, objects and logs with the Workspace; Retain keeps them, and a later "
            "workspace of the name uses them when adoptDataOf says so."
        ),
    ] = DeletionPolicy.DELETE
    adopt_data_of: Annotated[
        str | None,
        Field(
            description="metadata.uid of the earlier workspace of this name whose data this one is to use; the "
            "condition Ready names it where data was left.",
            min_length=1,
            max_length=63,
        ),
    ] = None
    retention: Annotated[Retention, Field(description="How long its past is kept.")] = Retention()


FIELDS_OF_ITS_ADMINS = frozenset({"members", "groups", "grants"})
"""Fields of a Workspace's spec that its own administrators may change; the others are the platform team's."""
_BLOCKING = frozenset({Reason.NAMESPACE_TAKEN, Reason.DATA_LEFT_BEHIND})


class WorkspaceStatus(Status):
    """Observed state of the workspace."""

    namespace: Annotated[str | None, Field(description="The namespace that belongs to the workspace.")] = None


class Workspace(Resource[WorkspaceSpec, WorkspaceStatus]):
    """A tenant: a namespace with RBAC, a service account, quotas, members and a prefix of the object store."""

    KIND: ClassVar[str] = "Workspace"
    PLURAL: ClassVar[str] = "workspaces"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ws",)
    NAMESPACED: ClassVar[bool] = False
    ID_PREFIX: ClassVar[str] = "ws"
    PRINTER_COLUMNS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Namespace", "type": "string", "jsonPath": ".status.namespace"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Max Runs", "type": "integer", "jsonPath": ".spec.quotas.maxRunningRuns"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {
            "name": "Message",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].message',
            "priority": 1,
        },
    )
    NAME_RULES: ClassVar[tuple[dict[str, str], ...]] = (
        {
            "rule": "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 40",
            "message": "a workspace's name has lower case letters, digits and dashes, begins with a letter, "
            "and is at most 40 characters long",
        },
        {
            "rule": f"!(self.metadata.name in {list(RESERVED_NAMES)!r})",
            "message": f"these names are reserved: {', '.join(RESERVED_NAMES)}",
        },
    )

    @property
    def namespace(self) -> str:
        """The namespace that belongs to this workspace."""
        return namespace_of(self.metadata.name)

    @property
    def blocked(self) -> str | None:
        """Why nothing can run in this workspace before somebody changes something; None where all may.

        Its namespace, or its part of the object store, is another's.
        """
        ready = self.status.condition(ConditionType.READY) if self.status else None
        if ready is None or ready.status == "True" or ready.reason not in _BLOCKING:
            return None
        return f"workspace {self.metadata.name} is not ready: {ready.message}"

    @property
    def catalog_names(self) -> tuple[str, ...]:
        """What the workspace's catalog is called: by the workspace's own name first, then by its aliases."""
        return (self.metadata.name, *self.spec.catalog.aliases)

    def has_catalog(self, name: str) -> bool:
        """Whether a name is one of the workspace's catalog; case-insensitive, as in SQL."""
        return name.lower() in map(str.lower, self.catalog_names)
