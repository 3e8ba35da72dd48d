"""Says what is wrong with a Workspace, in words for the platform team; touches nothing."""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import Reason

from .resolve import Facts


class Problem(NamedTuple):
    """Why a workspace is not ready."""

    reason: Reason
    message: str
    stalled: bool
    """Whether somebody has to act; otherwise it passes."""


def first_problem(facts: Facts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    if facts.namespace is None:
        return None
    name = facts.workspace.namespace
    if facts.namespace_is_going:
        return Problem(Reason.IN_PROGRESS, f"an earlier namespace {name} is still being deleted", stalled=False)
    if not facts.owns_namespace:
        message = f"namespace {name} exists and was not made for this workspace; it is left alone"
        return Problem(Reason.NAMESPACE_TAKEN, message, stalled=True)
    return None
