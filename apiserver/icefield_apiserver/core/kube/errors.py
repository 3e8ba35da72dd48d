"""From an error of Kubernetes to the ApiError of a write that was made as the caller: who may not do what, where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from icefield_apiserver.core.errors import ApiError, Conflict, Forbidden, QuotaExceeded, Unavailable
from icefield_crds.meta import Resource
from icefield_crds.names import workspace_of
from icefield_kube.errors import AlreadyExists, KubernetesError

from .impersonation import Impersonation


@contextmanager
def api_errors(
    model: type[Resource[Any, Any]],
    verb: str,
    namespace: str | None,
    name: str,
    impersonation: Impersonation,
) -> Iterator[None]:
    """Raise the ApiError for a KubernetesError raised inside; one without a wording of its own passes through.

    Args:
        model: the kind written.
        verb: create, update or delete.
        namespace: where; None for a cluster-scoped kind.
        name: its name; empty when Kubernetes generates one.
        impersonation: as whom.
    """
    try:
        yield
    except KubernetesError as error:
        if api_error := _api_error(error, model, verb, namespace, name, impersonation):
            raise api_error from error
        raise


def _api_error(
    error: KubernetesError,
    model: type[Resource[Any, Any]],
    verb: str,
    namespace: str | None,
    name: str,
    impersonation: Impersonation,
) -> ApiError | None:
    message = error.message
    workspace = workspace_of(namespace or "")
    where = f" in workspace {workspace}" if workspace else ""
    if isinstance(error, AlreadyExists):
        return Conflict(f"A {model.KIND.lower()} named {name} already exists{where}.")
    if error.status == 403:
        if "cannot impersonate" in message:
            return Unavailable(f"Workspace {workspace} is still being set up; try again shortly.")
        if "exceeded quota" in message:
            return QuotaExceeded(f"Kubernetes' resource quota is exceeded: {message.partition('exceeded quota: ')[2]}.")
        if "being terminated" in message:
            return Conflict(f"Workspace {workspace} is being deleted.")
        role = impersonation.user.rpartition(":")[2]
        return Forbidden(f"Your role {role} may not {verb} {model.PLURAL}{where}.")
    return None
