"""What keeps a resource from its desired state, in a message for its owner."""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import Reason
from icefield_crds.names import workspace_of


class Problem(NamedTuple):
    """Why a resource is not ready."""

    reason: Reason
    message: str
    stalled: bool = True
    """Whether a user has to change something; otherwise it may pass by itself."""


def describe_missing_workspace(namespace: str) -> str:
    """Return the message of a resource in a namespace that belongs to no existing workspace."""
    slug = workspace_of(namespace)
    return f"workspace {slug} does not exist" if slug else f"namespace {namespace} belongs to no workspace"
