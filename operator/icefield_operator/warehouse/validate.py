"""Pure: what keeps a Warehouse from running, in a message for its owner."""

from __future__ import annotations

from icefield_crds import Reason
from icefield_crds.problems import describe_missing_flavor
from icefield_operator.problem import Problem, describe_missing_workspace
from icefield_operator.quantity import MIB

from . import resources
from .resolve import WarehouseFacts


def find_problem(facts: WarehouseFacts) -> Problem | None:
    """Return the first thing that is wrong, or None."""
    if facts.workspace is None:
        message = describe_missing_workspace(facts.warehouse.metadata.namespace or "")
        return Problem(Reason.WORKSPACE_NOT_FOUND, message)
    if blocked := facts.workspace.blocked:
        return Problem(Reason.WORKSPACE_NOT_READY, blocked, stalled=False)
    if facts.flavor is None:
        return Problem(Reason.FLAVOR_NOT_FOUND, describe_missing_flavor(facts.size, facts.known_flavors))
    if facts.executor_size and facts.executor_flavor is None:
        missing = describe_missing_flavor(facts.executor_size, facts.known_flavors)
        return Problem(Reason.FLAVOR_NOT_FOUND, f"Spark executors: {missing}")
    if resources.memory_bytes(facts.flavor) < resources.LEAST_BYTES:
        message = (
            f"flavor {facts.size} has {facts.flavor.spec.memory} of memory; a warehouse needs "
            f"{resources.LEAST_BYTES // MIB}Mi or more"
        )
        return Problem(Reason.INVALID_SPEC, message)
    if facts.executor_flavor and resources.memory_bytes(facts.executor_flavor) < resources.SPARK_LEAST_BYTES:
        message = (
            f"flavor {facts.executor_size} of the Spark executors has {facts.executor_flavor.spec.memory} of memory; "
            f"an executor needs {resources.SPARK_LEAST_BYTES // MIB}Mi or more"
        )
        return Problem(Reason.INVALID_SPEC, message)
    return None
