"""The operations of the Iceberg REST protocol that are proxied, and the role that each needs. Pure.

(Apache Iceberg, open-api/rest-catalog-open-api.yaml.) Other operations are rejected.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import quote, unquote

from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.catalog.names import problem_of_name
from icefield_crds import Role


class Effect(Enum):
    """How the proxy handles an operation."""

    NONE = auto()
    LOADS = auto()
    """The response is a LoadTableResult, which gets the access to the table's files."""
    CREATES = auto()
    """As LOADS, of an object that is created."""
    COMMITS = auto()
    DROPS = auto()
    """It drops the namespace in the path."""
    DROPS_OBJECT = auto()
    """It drops the table or view in the path."""
    RENAMES = auto()
    LOADS_VIEW = auto()
    DEFINES_VIEW = auto()
    """It creates a view, or commits to the one in the path."""
    VENDS = auto()
    """The response is a LoadCredentialsResponse: new keys of the table in the path; the catalog only loads it."""


@dataclass(frozen=True)
class Operation:
    """An operation of the protocol.

    Attributes:
        method: HTTP method.
        template: path below the prefix, as `endpoints` of the catalog's configuration has it.
        role: the lowest role that may call it.
    """

    method: str
    template: str
    role: Role
    effect: Effect = Effect.NONE

    @property
    def endpoint(self) -> str:
        """Its entry in `endpoints` of the catalog's configuration."""
        return f"{self.method} /v1/{{prefix}}/{self.template}"

    @property
    def writes_contents(self) -> bool:
        """Whether its body is written into the catalog: names, properties, definitions."""
        return self.method == "POST" and self.role is Role.EDITOR

    @property
    def creates(self) -> bool:
        """Whether its body names a table or view that it creates in the namespace of its path."""
        return self.method == "POST" and self.template.removeprefix(f"{_NS}/") in ("tables", "register", "views")


@dataclass(frozen=True)
class CatalogCall:
    """An operation and the object in its path.

    Attributes:
        namespace: the namespace in the path; () for none.
        name: the table or view in the path; None for none.
    """

    operation: Operation
    namespace: Namespace
    name: str | None


_NS = "namespaces/{namespace}"
_TABLE = f"{_NS}/tables/{{table}}"
_VIEW = f"{_NS}/views/{{view}}"

LOAD_CREDENTIALS = Operation("GET", f"{_TABLE}/credentials", Role.VIEWER, Effect.VENDS)
REGISTER = Operation("POST", f"{_NS}/register", Role.EDITOR, Effect.CREATES)
OPERATIONS = (
    Operation("GET", "namespaces", Role.VIEWER),
    Operation("POST", "namespaces", Role.EDITOR),
    Operation("GET", _NS, Role.VIEWER),
    Operation("HEAD", _NS, Role.VIEWER),
    Operation("DELETE", _NS, Role.EDITOR, Effect.DROPS),
    Operation("POST", f"{_NS}/properties", Role.EDITOR),
    Operation("GET", f"{_NS}/tables", Role.VIEWER),
    Operation("POST", f"{_NS}/tables", Role.EDITOR, Effect.CREATES),
    REGISTER,
    Operation("GET", _TABLE, Role.VIEWER, Effect.LOADS),
    Operation("HEAD", _TABLE, Role.VIEWER),
    Operation("POST", _TABLE, Role.EDITOR, Effect.COMMITS),
    Operation("DELETE", _TABLE, Role.EDITOR, Effect.DROPS_OBJECT),
    LOAD_CREDENTIALS,
    Operation("POST", f"{_TABLE}/metrics", Role.VIEWER),
    Operation("POST", f"{_TABLE}/plan", Role.VIEWER),
    Operation("GET", f"{_TABLE}/plan/{{plan-id}}", Role.VIEWER),
    Operation("DELETE", f"{_TABLE}/plan/{{plan-id}}", Role.VIEWER),
    Operation("POST", f"{_TABLE}/tasks", Role.VIEWER),
    Operation("POST", "tables/rename", Role.EDITOR, Effect.RENAMES),
    Operation("POST", "transactions/commit", Role.EDITOR, Effect.COMMITS),
    Operation("GET", f"{_NS}/views", Role.VIEWER),
    # Not register-view: the text of such a view would be known only once it is there.
    Operation("POST", f"{_NS}/views", Role.EDITOR, Effect.DEFINES_VIEW),
    Operation("GET", _VIEW, Role.VIEWER, Effect.LOADS_VIEW),
    Operation("HEAD", _VIEW, Role.VIEWER),
    Operation("POST", _VIEW, Role.EDITOR, Effect.DEFINES_VIEW),
    Operation("DELETE", _VIEW, Role.EDITOR, Effect.DROPS_OBJECT),
    Operation("POST", "views/rename", Role.EDITOR, Effect.RENAMES),
)


def _pattern(template: str) -> re.Pattern[str]:
    parts = (f"(?P<{part[1:-1].replace('-', '_')}>[^/]+)" if part[0] == "{" else part for part in template.split("/"))
    return re.compile("/".join(parts))


_PLAN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]*")
"""What a catalog calls a plan is opaque; what could mean another path is none."""
_PATTERNS = tuple((operation, _pattern(operation.template)) for operation in OPERATIONS)


def find_call(method: str, path: str) -> CatalogCall | None:
    """Return the call that a request makes; None for an unknown operation or an invalid name in the path.

    HEAD of what the protocol has only GET of is the call of GET.

    Args:
        method: HTTP method.
        path: path below the prefix, percent-encoded as received.
    """
    for operation, pattern in _PATTERNS:
        if operation.method == method and (found := pattern.fullmatch(path)):
            return _call(operation, found)
    return find_call("GET", path) if method == "HEAD" else None


def _call(operation: Operation, found: re.Match[str]) -> CatalogCall | None:
    try:
        parts = {key: unquote(value, errors="strict") for key, value in found.groupdict().items()}
    except UnicodeDecodeError:
        return None
    namespace = tuple(parts["namespace"].split("\x1f")) if "namespace" in parts else ()
    name = parts.get("table") or parts.get("view")
    if any(problem_of_name(level) for level in namespace) or (name and problem_of_name(name)):
        return None
    if not _PLAN_ID.fullmatch(parts.get("plan_id", "none")):
        return None
    return CatalogCall(operation, namespace, name)


def credentials_path(workspace: str, namespace: Namespace, table: str) -> str:
    """Return where new keys of a table are, below the protocol's base.

    Args:
        workspace: slug.
        namespace: the table's.
        table: its name.
    """
    parts = {"namespace": "\x1f".join(namespace), "table": table}
    path = LOAD_CREDENTIALS.template.format_map({key: quote(part, safe="") for key, part in parts.items()})
    return f"v1/{workspace}/{path}"


def table_path(credentials_path: str) -> str:
    """Return the path of the table whose keys are asked for.

    Args:
        credentials_path: path of the call below the prefix, percent-encoded as received.
    """
    return credentials_path.removesuffix("/credentials")


def advertised(endpoints: frozenset[str] | None) -> list[str] | None:
    """Return the `endpoints` to advertise: those that the workspace's catalog supports and the proxy forwards.

    Args:
        endpoints: the catalog's endpoints; None where it does not list them and clients assume the protocol's default.
    """
    if endpoints is None:
        return None
    return [operation.endpoint for operation in OPERATIONS if operation.endpoint in endpoints]
