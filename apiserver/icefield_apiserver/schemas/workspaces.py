"""Bodies of workspaces, their members, and flavors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from icefield_crds import Role

from .identity import Email, Name

WorkspaceState = Literal["pending", "ready", "failed", "deleting"]


class QuotaValues(BaseModel):
    """Ceilings of a workspace."""

    max_running_runs: Annotated[int, Field(ge=0, le=10000, description="How many runs may be running at once.")] = 10
    max_queued_workloads: Annotated[
        int, Field(ge=0, le=10000, description="How many Polars workloads may wait for their turn.")
    ] = 100


class MemberOfWorkspace(BaseModel):
    """A person's role in a workspace."""

    user: Annotated[str, Field(description="The person's e-mail address.", examples=["you@acme.eu"])]
    role: Annotated[Role, Field(description="viewer, editor or admin.")]


class NewMember(MemberOfWorkspace):
    """A person who shall have a role in a workspace."""

    user: Email


class MemberRole(BaseModel):
    """The role that a person shall have."""

    role: Annotated[Role, Field(description="viewer, editor or admin.")]


class NewWorkspace(BaseModel):
    """A workspace that shall be."""

    name: Annotated[Name, Field(description="Name shown to people.", examples=["Acme analytics"])]
    slug: Annotated[
        str | None, Field(max_length=40, description="Its name in URLs and Kubernetes; made of the name when absent.")
    ] = None
    members: Annotated[list[NewMember], Field(max_length=500, description="Who may do what there.")] = []
    quotas: Annotated[QuotaValues | None, Field(description="Ceilings; the platform's when absent.")] = None
    default_flavor: Annotated[
        str | None, Field(min_length=1, max_length=253, description="Flavor of what names none.")
    ] = None


class WorkspaceChange(BaseModel):
    """What shall be different; what is absent stays."""

    name: Annotated[Name | None, Field(description="Name shown to people.")] = None
    quotas: Annotated[QuotaValues | None, Field(description="Ceilings.")] = None
    default_flavor: Annotated[
        str | None, Field(min_length=1, max_length=253, description="Flavor of what names none.")
    ] = None


class WorkspaceView(BaseModel):
    """A workspace, as the caller sees it."""

    id: Annotated[str, Field(description="Id of the workspace.", examples=["ws_1f0c2a9155aa"])]
    slug: Annotated[str, Field(description="Its name in URLs and Kubernetes.", examples=["demo"])]
    name: Annotated[str, Field(description="Name shown to people.")]
    namespace: Annotated[str, Field(description="Its Kubernetes namespace.", examples=["icefield-demo"])]
    role: Annotated[Role, Field(description="What the caller may do there.")]
    status: Annotated[WorkspaceState, Field(description="pending, ready, failed or deleting.")]
    error: Annotated[str | None, Field(description="Why it is not ready.")]
    quotas: Annotated[QuotaValues, Field(description="Ceilings.")]
    default_flavor: Annotated[str, Field(description="Flavor of what names none.")]
    created_at: Annotated[datetime | None, Field(description="When it was made.")]


class FlavorView(BaseModel):
    """A size that anything can run in."""

    id: Annotated[str, Field(description="Id of the flavor.", examples=["fl_1f0c2a9155aa"])]
    name: Annotated[str, Field(description="Name of the flavor.", examples=["cpu.2"])]
    cpu: Annotated[str, Field(description="CPU limit, in cores.", examples=["2"])]
    memory: Annotated[str, Field(description="Memory limit.", examples=["4Gi"])]
    gpu: Annotated[int, Field(description="Number of GPUs.")]
    price_per_hour: Annotated[float, Field(description="Price of one hour, in the platform's currency.")]
