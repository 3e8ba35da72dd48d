"""Says what keeps a Warehouse from running, in words for its owner; touches nothing."""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import Reason
from icefield_crds.names import workspace_of

from . import sizes
from .resolve import Facts


class Problem(NamedTuple):
    """Why a warehouse cannot run."""

    reason: Reason
    message: str
    stalled: bool
    """Whether somebody has to change something; otherwise it may pass by itself."""


def first_problem(facts: Facts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    if facts.workspace is None:
        namespace = facts.warehouse.metadata.namespace or ""
        slug = workspace_of(namespace)
        message = f"workspace {slug} does not exist" if slug else f"namespace {namespace} belongs to no workspace"
        return Problem(Reason.WORKSPACE_NOT_FOUND, message, stalled=True)
    if facts.flavor is None:
        return Problem(Reason.FLAVOR_NOT_FOUND, f"flavor {facts.size} does not exist", stalled=True)
    if facts.executor_size and facts.executor_flavor is None:
        message = f"flavor {facts.executor_size} of the Spark executors does not exist"
        return Problem(Reason.FLAVOR_NOT_FOUND, message, stalled=True)
    if sizes.memory_bytes(facts.flavor) < sizes.LEAST_BYTES:
        message = (
            f"flavor {facts.size} has {facts.flavor.spec.memory} of memory; a warehouse needs "
            f"{sizes.LEAST_BYTES // sizes.MIB}Mi or more"
        )
        return Problem(Reason.INVALID_SPEC, message, stalled=True)
    if facts.executor_flavor and sizes.memory_bytes(facts.executor_flavor) < sizes.SPARK_LEAST_BYTES:
        message = (
            f"flavor {facts.executor_size} of the Spark executors has {facts.executor_flavor.spec.memory} of memory; "
            f"an executor needs {sizes.SPARK_LEAST_BYTES // sizes.MIB}Mi or more"
        )
        return Problem(Reason.INVALID_SPEC, message, stalled=True)
    return None
