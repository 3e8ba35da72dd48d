"""Kubernetes' refusals of a write, in the words of the REST API.

`kubernetes_errors` translates what any call may meet; here is what a write made as the caller adds to it: who may not
do what, where.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from icefield_apiserver.errors import ApiError, Conflict, Forbidden, QuotaExceeded, Unavailable
from icefield_crds.meta import Resource
from icefield_crds.names import workspace_of

from .impersonation import Impersonation


@contextmanager
def in_words(
    model: type[Resource[Any, Any]],
    verb: str,
    namespace: str | None,
    name: str,
    impersonation: Impersonation,
) -> Iterator[None]:
    """Turn a refusal raised inside into the ApiError that the caller reads; others pass through.

    Args:
        model: the kind written.
        verb: create, update or delete.
        namespace: where; None for what is cluster-wide.
        name: its name; empty when Kubernetes makes one.
        impersonation: as whom.
    """
    try:
        yield
    except ApiException as error:
        if words := _words(error, model, verb, namespace, name, impersonation):
            raise words from error
        raise


def _words(
    error: ApiException,
    model: type[Resource[Any, Any]],
    verb: str,
    namespace: str | None,
    name: str,
    impersonation: Impersonation,
) -> ApiError | None:
    answer = _answer(error)
    message, reason = str(answer.get("message", "")), answer.get("reason")
    workspace = workspace_of(namespace or "")
    where = f" in workspace {workspace}" if workspace else ""
    if error.status == 409 and reason == "AlreadyExists":
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


def _answer(error: ApiException) -> dict[str, Any]:
    try:
        answer = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
