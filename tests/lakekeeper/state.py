"""What the stand-in remembers, and how it answers when nothing goes wrong on the way."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PROJECT = "00000000-0000-0000-0000-000000000000"
PAGE = 3
"""Namespaces in a page: few, so that tests see more than one."""

Json = dict[str, Any]
Probe = Callable[[Json, Json], str | None]
"""Tries out storage with (storage profile, storage credential); returns what is wrong, or None."""


@dataclass
class Refusal(Exception):  # noqa: N818 - an answer, not a mistake
    """An answer with an error, as Iceberg's ErrorModel."""

    status: int
    type: str
    message: str


@dataclass
class Warehouse:
    """One warehouse, and the names of what is in it."""

    id: str
    name: str
    profile: Json
    credential: Json
    namespaces: set[tuple[str, ...]] = field(default_factory=set)
    has_tasks: bool = False

    def to_api(self) -> Json:
        """Return it as GetWarehouseResponse."""
        return {
            "id": self.id,
            "warehouse-id": self.id,
            "name": self.name,
            "project-id": PROJECT,
            "storage-profile": self.profile,
            "storage-credential-type": {"type": "s3", "credential-type": "access-key"},
            "delete-profile": {"type": "hard"},
            "status": "active",
            "protected": False,
            "allowed-format-versions": [1, 2, 3],
        }


@dataclass
class State:
    """The database of a Lakekeeper."""

    probe: Probe
    is_bootstrapped: bool = False
    project_calls_refused: int = 0
    """How many calls after bootstrapping do not see the project yet."""
    warehouses: dict[str, Warehouse] = field(default_factory=dict)

    def info(self) -> Json:
        """Answer GET /management/v1/info."""
        return {
            "version": "0.13.1",
            "lakekeeper-version": "0.13.1",
            "bootstrapped": self.is_bootstrapped,
            "server-id": PROJECT,
            "authz-backend": "allow-all",
            "aws-system-identities-enabled": False,
            "azure-system-identities-enabled": False,
            "gcp-system-identities-enabled": False,
            "queues": [],
            "license-status": {"valid": True, "license-type": "Apache-2.0"},
        }

    def bootstrap(self) -> None:
        """Answer POST /management/v1/bootstrap."""
        if self.is_bootstrapped:
            raise Refusal(400, "CatalogAlreadyBootstrapped", "Catalog already bootstrapped")
        self.is_bootstrapped = True

    def list(self) -> Json:
        """Answer GET /management/v1/warehouse."""
        self._see_project()
        return {"warehouses": [warehouse.to_api() for warehouse in self.warehouses.values()]}

    def create(self, body: Json) -> Json:
        """Answer POST /management/v1/warehouse."""
        self._see_project()
        profile, credential = body["storage-profile"], body["storage-credential"]
        if problem := self.probe(profile, credential):
            raise Refusal(400, "StorageValidationFailed", f"Storage validation failed: {problem}")
        for other in self.warehouses.values():
            if _overlap(other.profile, profile):
                message = f"Storage profile overlaps with existing warehouse {other.name}"
                raise Refusal(400, "CreateWarehouseStorageProfileOverlap", message)
            if other.name.casefold() == body["warehouse-name"].casefold():
                raise Refusal(409, "WarehouseAlreadyExists", "Warehouse with this name already exists")
        warehouse = Warehouse(str(uuid.uuid4()), body["warehouse-name"], profile, credential)
        self.warehouses[warehouse.id] = warehouse
        return warehouse.to_api()

    def update_storage(self, id_: str, body: Json) -> Json:
        """Answer POST /management/v1/warehouse/{id}/storage."""
        warehouse, profile = self._warehouse(id_), body["storage-profile"]
        if any(warehouse.profile.get(key) != profile.get(key) for key in ("bucket", "key-prefix")):
            raise Refusal(400, "NotUpdatable", "Bucket and key prefix cannot be changed")
        # What is not sent again is gone.
        credential = body.get("storage-credential") or {}
        if problem := self.probe(profile, credential):
            raise Refusal(400, "StorageValidationFailed", f"Storage validation failed: {problem}")
        warehouse.profile, warehouse.credential = profile, credential
        return warehouse.to_api()

    def delete(self, id_: str) -> None:
        """Answer DELETE /management/v1/warehouse/{id}."""
        warehouse = self._warehouse(id_)
        if warehouse.namespaces:
            raise Refusal(409, "WarehouseNotEmpty", "Warehouse is not empty")
        if warehouse.has_tasks:
            raise Refusal(409, "WarehouseHasUnfinishedTasks", "Warehouse has unfinished tasks")
        del self.warehouses[id_]

    def namespaces(self, id_: str) -> Json:
        """Answer GET /catalog/v1/{id}/namespaces."""
        tops = sorted(name for name in self._warehouse(id_).namespaces if len(name) == 1)
        return {"namespaces": [list(name) for name in tops[:PAGE]]}

    def drop_namespace(self, id_: str, name: tuple[str, ...], flags: dict[str, bool]) -> None:
        """Answer DELETE /catalog/v1/{id}/namespaces/{namespace}."""
        warehouse = self._warehouse(id_)
        inside = {other for other in warehouse.namespaces if other[: len(name)] == name}
        if not inside:
            raise Refusal(404, "NoSuchNamespaceException", "The given namespace does not exist")
        if inside != {name} and not flags.get("recursive"):
            raise Refusal(409, "NamespaceNotEmptyException", "Namespace is not empty")
        warehouse.namespaces -= inside
        warehouse.has_tasks |= flags.get("recursive", False) and flags.get("purge", True)

    def _see_project(self) -> None:
        if not self.is_bootstrapped or self.project_calls_refused > 0:
            self.project_calls_refused -= self.is_bootstrapped
            raise Refusal(404, "ProjectNotFound", "Project not found")

    def _warehouse(self, id_: str) -> Warehouse:
        if id_ not in self.warehouses:
            raise Refusal(404, "WarehouseNotFound", "Warehouse not found")
        return self.warehouses[id_]


def _overlap(one: Json, other: Json) -> bool:
    if one["bucket"] != other["bucket"]:
        return False
    first, second = (f"{(profile.get('key-prefix') or '').strip('/')}/" for profile in (one, other))
    return first.startswith(second) or second.startswith(first)
