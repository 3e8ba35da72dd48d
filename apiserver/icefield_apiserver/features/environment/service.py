"""The environment variables of all tasks of a workspace: the data of one Secret.

When a variable was set, and by whom, is recorded in an annotation of the Secret, except for those set with kubectl.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt, wait_random

from icefield_apiserver.core.errors import BadRequest, Conflict, NotFound, Unavailable
from icefield_apiserver.identity.principal import Principal
from icefield_crds.names import ENVIRONMENT_SECRET, GROUP, namespace_of
from icefield_kube.client import MERGE_PATCH, KubeClient
from icefield_kube.errors import Conflict as SecretChanged
from icefield_kube.errors import NotFound as SecretNotFound

ANNOTATION = f"{GROUP}/environment"
MAX_NAME_LENGTH = 255
MAX_VALUE_BYTES = 32 * 1024
MAX_VARIABLES = 256
MAX_BYTES = 512 * 1024
"""Of all names and values; a Secret has room for 1 MiB, and they share a process's limit with its arguments."""
ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 0.05

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_OURS = ("POLNOR_", "ICEFIELD_", "AWS_", "PYICEBERG_", "PARAM_", "LD_", "PYTHON")
_OURS_ALONE = frozenset({"PATH", "HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"})


@dataclass(frozen=True)
class Variable:
    """A variable.

    Attributes:
        id: constant while the workspace exists.
        created_by: e-mail address, or `run:<name>`; None when it was set with kubectl.
    """

    id: str
    name: str
    value: str
    created: datetime
    updated: datetime
    created_by: str | None


def _refuse(state: RetryCallState) -> NoReturn:
    raise Conflict("The variables are being changed by others; try again.")


_retried_when_changed = retry(
    retry=retry_if_exception_type(SecretChanged),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_random(0, LONGEST_PAUSE_SECONDS),
    retry_error_callback=_refuse,
)
"""Runs a method again, from reading the Secret, when somebody else changed the Secret meanwhile."""


class EnvironmentService:
    """Reads the Secret as the process itself, and writes it as the caller.

    Args:
        client: the process's own identity.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def list(self, principal: Principal) -> list[Variable]:
        """Return the variables, by name."""
        return list(_variables(await self._read(principal.workspace)).values())

    @_retried_when_changed
    async def set(self, principal: Principal, name: str, value: str) -> tuple[Variable, bool]:
        """Set a variable, and return it and whether it is new.

        Args:
            principal: the caller.
            name: its name, in any case; stored in upper case.
            value: its value.

        Raises:
            BadRequest: the name or the value is not allowed, or there are too many variables.
            Conflict: others change the variables at the same time.
        """
        name = name.strip().upper()
        check_variable(name, value)
        secret = await self._read(principal.workspace)
        variables = _variables(secret)
        now = datetime.now(UTC)
        if (current := variables.get(name)) is not None:
            variable = replace(current, value=value, updated=now)
        else:
            variable = Variable(_id(secret, name), name, value, now, now, principal.person)
        variables[name] = variable
        _check_all(variables)
        await self._write(principal, secret, variables, {name: base64.b64encode(value.encode()).decode()})
        return variable, current is None

    @_retried_when_changed
    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete a variable.

        Args:
            principal: the caller.
            id_or_name: its id, or its name in any case.

        Raises:
            NotFound: there is none.
            Conflict: others change the variables at the same time.
        """
        secret = await self._read(principal.workspace)
        variables = _variables(secret)
        found = _find(variables, id_or_name) or _find(variables, id_or_name.upper())
        if found is None:
            raise NotFound(f"There is no environment variable {id_or_name}.")
        del variables[found.name]
        await self._write(principal, secret, variables, {found.name: None})

    async def _read(self, workspace: str) -> Mapping[str, Any]:
        try:
            return await self._client.call("GET", _path(workspace))
        except SecretNotFound as error:
            raise Unavailable(f"Workspace {workspace} is still being set up; try again shortly.") from error

    async def _write(
        self,
        principal: Principal,
        secret: Mapping[str, Any],
        variables: Mapping[str, Variable],
        data: Mapping[str, str | None],
    ) -> None:
        """Change the Secret.

        Raises:
            SecretChanged: somebody else did since it was read.
        """
        records = {name: _record(variable) for name, variable in variables.items() if variable.created_by}
        patch = {
            "metadata": {
                "resourceVersion": secret["metadata"]["resourceVersion"],
                "annotations": {ANNOTATION: json.dumps(records, separators=(",", ":"))},
            },
            "data": data,
        }
        await self._client.call(
            "PATCH",
            _path(principal.workspace),
            body=patch,
            content_type=MERGE_PATCH,
            headers=principal.impersonation.headers,
        )


def check_variable(name: str, value: str) -> None:
    """Refuse an invalid variable.

    Raises:
        BadRequest: the name is not allowed, or the value is empty, too long or contains NUL.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise BadRequest(
            f"The name of a variable has up to {MAX_NAME_LENGTH} letters, digits and underscores, no digit first."
        )
    if name in _OURS_ALONE or name.startswith(_OURS):
        raise BadRequest(f"{name} cannot be set here: the platform sets it for each task itself.")
    if not value.strip() or "\0" in value:
        raise BadRequest(f"Variable {name} needs a value, without NUL characters.")
    if len(value.encode()) > MAX_VALUE_BYTES:
        raise BadRequest(f"The value of {name} is longer than {MAX_VALUE_BYTES} bytes.")


def _check_all(variables: Mapping[str, Variable]) -> None:
    if len(variables) > MAX_VARIABLES:
        raise BadRequest(f"A workspace has at most {MAX_VARIABLES} environment variables.")
    if sum(len(name) + len(each.value.encode()) for name, each in variables.items()) > MAX_BYTES:
        raise BadRequest(f"The environment variables of a workspace have at most {MAX_BYTES} bytes together.")


def _variables(secret: Mapping[str, Any]) -> dict[str, Variable]:
    metadata = secret["metadata"]
    records = _records((metadata.get("annotations") or {}).get(ANNOTATION))
    found = {}
    for name, encoded in sorted((secret.get("data") or {}).items()):
        record = records.get(name) or {}
        created = str(record.get("created") or metadata["creationTimestamp"])
        found[name] = Variable(
            id=_id(secret, name),
            name=name,
            value=_decoded(encoded),
            created=datetime.fromisoformat(created),
            updated=datetime.fromisoformat(str(record.get("updated") or created)),
            created_by=record.get("by"),
        )
    return found


def _find(variables: Mapping[str, Variable], id_or_name: str) -> Variable | None:
    return next((each for each in variables.values() if id_or_name in (each.id, each.name)), None)


def _records(text: str | None) -> dict[str, Any]:
    try:
        records = json.loads(text or "{}")
        return {name: record for name, record in records.items() if _is_record(record)}
    except (ValueError, AttributeError):
        return {}  # written by somebody else; only times and authors are lost


def _is_record(record: Any) -> bool:
    try:
        datetime.fromisoformat(record["created"])
        datetime.fromisoformat(record["updated"])
    except (ValueError, TypeError, KeyError):
        return False
    return isinstance(record.get("by"), str)


def _record(variable: Variable) -> dict[str, Any]:
    return {
        "created": variable.created.isoformat(),
        "updated": variable.updated.isoformat(),
        "by": variable.created_by,
    }


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # set with kubectl to bytes that are not UTF-8


def _id(secret: Mapping[str, Any], name: str) -> str:
    return "env_" + hashlib.sha256(f"{secret['metadata']['uid']}/{name}".encode()).hexdigest()[:12]


def _path(workspace: str) -> str:
    return f"/api/v1/namespaces/{namespace_of(workspace)}/secrets/{ENVIRONMENT_SECRET}"
