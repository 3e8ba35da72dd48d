"""REST schemas of workspaces and their members."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from icefield_apiserver.core.schemas import RequestBody
from icefield_apiserver.identity.fields import Email, Name
from icefield_crds import Role
from icefield_crds.workspace import DeletionPolicy

DELETION_CHOICE = Field(
    description="What becomes of tables, files and logs when it is deleted: Delete, or Retain to keep them."
)
DeletionChoice = Annotated[DeletionPolicy, DELETION_CHOICE]
AdoptDataOf = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=63,
        description="The earlier workspace of this slug whose data is to be used: the uid that `error` names.",
    ),
]
WorkspaceState = Literal["pending", "ready", "failed", "deleting"]


class QuotaValues(BaseModel):
    """Quotas of a workspace."""

    max_running_runs: Annotated[int, Field(ge=0, le=10000, description="Maximum number of running runs.")] = 10
    max_queued_workloads: Annotated[
        int, Field(ge=0, le=10000, description="Maximum number of waiting Polars workloads.")
    ] = 100


class MemberOfWorkspace(BaseModel):
    """A person's role in a workspace."""

    user: Annotated[str, Field(description="The person's e-mail address.", examples=["you@acme.eu"])]
    role: Annotated[Role, Field(description="viewer, editor or admin.")]


class QuotaWrite(RequestBody, QuotaValues):
    """Quotas of a workspace, as requests have them."""


class NewMember(RequestBody, MemberOfWorkspace):
    """A member of a new workspace."""

    user: Email


class MemberRole(RequestBody):
    """Request body to give a person a role in a workspace."""

    role: Annotated[Role, Field(description="viewer, editor or admin.")]


class NewWorkspace(RequestBody):
    """Request body to create a workspace."""

    name: Annotated[Name, Field(description="Display name.", examples=["Acme analytics"])]
    slug: Annotated[
        str | None,
        Field(max_length=40, description="Name in URLs and Kubernetes; made from the display name when absent."),
    ] = None
    members: Annotated[list[NewMember], Field(max_length=500, description="Members and their roles.")] = []
    quotas: Annotated[QuotaWrite | None, Field(description="Quotas; the platform's defaults when absent.")] = None
    default_flavor: Annotated[str | None, Field(min_length=1, max_length=253, description="Default flavor.")] = None
    deletion_policy: DeletionChoice = DeletionPolicy.DELETE
    adopt_data_of: AdoptDataOf = None


class WorkspaceChange(RequestBody):
    """Request body to change a workspace; absent fields keep their value, null restores the default."""

    name: Annotated[Name | None, Field(description="Display name.")] = None
    quotas: Annotated[QuotaWrite | None, Field(description="Quotas.")] = None
    default_flavor: Annotated[str | None, Field(min_length=1, max_length=253, description="Default flavor.")] = None
    default_warehouse: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=253,
            description="Id or name of the warehouse that tasks, Polars scripts and Spark applications find as "
            "POLNOR_WAREHOUSE_ID; null for the only one there is.",
        ),
    ] = None
    deletion_policy: Annotated[DeletionPolicy | None, DELETION_CHOICE] = None
    adopt_data_of: AdoptDataOf = None


class WorkspaceView(BaseModel):
    """A workspace, as the caller sees it."""

    id: Annotated[str, Field(description="Id of the workspace.", examples=["ws_1f0c2a9155aa"])]
    slug: Annotated[str, Field(description="Its name in URLs and Kubernetes.", examples=["demo"])]
    name: Annotated[str, Field(description="Display name.")]
    namespace: Annotated[str, Field(description="Its Kubernetes namespace.", examples=["icefield-demo"])]
    role: Annotated[Role, Field(description="Role of the caller in the workspace.")]
    status: Annotated[WorkspaceState, Field(description="pending, ready, failed or deleting.")]
    error: Annotated[str | None, Field(description="Why it is not ready.")]
    quotas: Annotated[QuotaValues, Field(description="Quotas.")]
    default_flavor: Annotated[str, Field(description="Default flavor.")]
    default_warehouse: Annotated[
        str | None,
        Field(description="Name of the warehouse that programs use when they name none; the only one when null."),
    ]
    deletion_policy: DeletionChoice
    created_at: Annotated[datetime | None, Field(description="When it was created.")]
