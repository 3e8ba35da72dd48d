"""The variables that all tasks of a workspace find in their environment: the data of one Secret.

When a variable was set, and by whom, stands in an annotation beside it. Who sets variables with kubectl leaves it out.
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
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from icefield_apiserver.errors import BadRequest, Conflict, NotFound, Unavailable
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube.client import MERGE_PATCH, KubeClient
from icefield_apiserver.kube.impersonation import Impersonation
from icefield_crds.names import ENVIRONMENT_SECRET, GROUP, namespace_of

ANNOTATION = f"{GROUP}/environment"
MAX_NAME_LENGTH = 255
MAX_VALUE_BYTES = 32 * 1024
MAX_VARIABLES = 256
MAX_BYTES = 512 * 1024
"""Of all names and values; a Secret has room for 1 MiB, and a process must take them with its arguments."""
ATTEMPTS = 5

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_OURS = ("POLNOR_", "ICEFIELD_", "AWS_", "PYICEBERG_", "PARAM_", "LD_", "PYTHON")
_OURS_ALONE = frozenset({"PATH", "HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"})


@dataclass(frozen=True)
class Variable:
    """A variable.

    Attributes:
        id: stays the same while the workspace lives.
        created_by: e-mail address, or `run:<name>`; None for one that was set with kubectl.
    """

    id: str
    name: str
    value: str
    created: datetime
    updated: datetime
    created_by: str | None


class EnvironmentRepository:
    """Reads the Secret as the process itself, and writes it as the caller.

    Args:
        client: the process's own identity.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def list(self, principal: Principal) -> list[Variable]:
        """Return the variables, by name. Only those who may set them get to see values; others get empty ones."""
        return list(_variables(await self._read(principal.workspace)).values())

    async def set(self, principal: Principal, name: str, value: str) -> tuple[Variable, bool]:
        """Set a variable, and say whether it is new.

        Args:
            principal: the caller.
            name: what it is called, in whichever case; kept in upper case.
            value: its value.

        Raises:
            BadRequest: it cannot be called so, is too long, or there are too many.
        """
        name = name.strip().upper()
        check_variable(name, value)
        for _ in range(ATTEMPTS):
            secret = await self._read(principal.workspace)
            variables = _variables(secret)
            now = datetime.now(UTC)
            if (kept := variables.get(name)) is not None:
                variable = replace(kept, value=value, updated=now)
            else:
                variable = Variable(_id(secret, name), name, value, now, now, principal.person)
            variables[name] = variable
            _check_all(variables)
            if await self._write(principal, secret, variables, {name: base64.b64encode(value.encode()).decode()}):
                return variable, kept is None
        raise Conflict("The variables are being changed by others; try again.")

    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete a variable.

        Raises:
            NotFound: there is none.
        """
        for _ in range(ATTEMPTS):
            secret = await self._read(principal.workspace)
            variables = _variables(secret)
            found = next((each for each in variables.values() if id_or_name in (each.id, each.name)), None)
            if found is None:
                raise NotFound(f"There is no environment variable {id_or_name}.")
            del variables[found.name]
            if await self._write(principal, secret, variables, {found.name: None}):
                return
        raise Conflict("The variables are being changed by others; try again.")

    async def _read(self, workspace: str) -> Mapping[str, Any]:
        try:
            return await self._client.call("GET", _path(workspace))
        except ApiException as error:
            if error.status == 404:
                raise Unavailable(f"Workspace {workspace} is still being set up; try again shortly.") from error
            raise

    async def _write(
        self,
        principal: Principal,
        secret: Mapping[str, Any],
        variables: Mapping[str, Variable],
        data: Mapping[str, str | None],
    ) -> bool:
        """Change the Secret, unless somebody else did since it was read: then return False."""
        notes = {name: _note(variable) for name, variable in variables.items() if variable.created_by}
        patch = {
            "metadata": {
                "resourceVersion": secret["metadata"]["resourceVersion"],
                "annotations": {ANNOTATION: json.dumps(notes, separators=(",", ":"))},
            },
            "data": data,
        }
        try:
            await self._client.call(
                "PATCH",
                _path(principal.workspace),
                body=patch,
                content_type=MERGE_PATCH,
                impersonation=Impersonation.of(principal),
            )
        except ApiException as error:
            if error.status == 409:
                return False
            raise
        return True


def check_variable(name: str, value: str) -> None:
    """Refuse what no variable can be.

    Raises:
        BadRequest: it cannot be called so, or its value is empty, too long or not for a process's environment.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise BadRequest(
            f"A variable is called by up to {MAX_NAME_LENGTH} letters, digits and underscores, no digit first."
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
    notes = _notes((metadata.get("annotations") or {}).get(ANNOTATION))
    found = {}
    for name, encoded in sorted((secret.get("data") or {}).items()):
        note = notes.get(name) or {}
        created = str(note.get("created") or metadata["creationTimestamp"])
        found[name] = Variable(
            id=_id(secret, name),
            name=name,
            value=_decoded(encoded),
            created=datetime.fromisoformat(created),
            updated=datetime.fromisoformat(str(note.get("updated") or created)),
            created_by=note.get("by"),
        )
    return found


def _notes(text: str | None) -> dict[str, Any]:
    try:
        notes = json.loads(text or "{}")
        return {name: note for name, note in notes.items() if _is_note(note)}
    except (ValueError, AttributeError):
        return {}  # written by somebody else: it only says when and who


def _is_note(note: Any) -> bool:
    try:
        datetime.fromisoformat(note["created"])
        datetime.fromisoformat(note["updated"])
    except (ValueError, TypeError, KeyError):
        return False
    return isinstance(note.get("by"), str)


def _note(variable: Variable) -> dict[str, Any]:
    return {
        "created": variable.created.isoformat(),
        "updated": variable.updated.isoformat(),
        "by": variable.created_by,
    }


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # set with kubectl to bytes that are no text


def _id(secret: Mapping[str, Any], name: str) -> str:
    return "env_" + hashlib.sha256(f"{secret['metadata']['uid']}/{name}".encode()).hexdigest()[:12]


def _path(workspace: str) -> str:
    return f"/api/v1/namespaces/{namespace_of(workspace)}/secrets/{ENVIRONMENT_SECRET}"
