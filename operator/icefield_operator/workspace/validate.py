"""Pure: what keeps a Workspace from being ready, in a message for the platform team."""

from __future__ import annotations

from icefield_crds import Reason
from icefield_operator.problem import Problem

from .resolve import WorkspaceFacts


def find_problem(facts: WorkspaceFacts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    if facts.namespace is None:
        return None
    name = facts.workspace.namespace
    if facts.namespace_is_deleting and facts.owns_namespace:
        message = (
            f"namespace {name} was deleted, and with it the workspace's jobs, runs and warehouses; it is made again as "
            "soon as it is gone. Tables and files are kept"
        )
        return Problem(Reason.NAMESPACE_DELETED, message, stalled=False)
    if facts.namespace_is_deleting:
        return Problem(Reason.IN_PROGRESS, f"an earlier namespace {name} is still being deleted", stalled=False)
    if not facts.owns_namespace:
        message = f"namespace {name} exists and was not made for this workspace; it is left alone"
        return Problem(Reason.NAMESPACE_TAKEN, message)
    return None
