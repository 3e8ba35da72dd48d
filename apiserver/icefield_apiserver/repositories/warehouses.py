"""SQL warehouses of a workspace."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from icefield_apiserver.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster, Impersonation
from icefield_apiserver.kube.orders import warehouse_name_group
from icefield_apiserver.pagination import Page, Window, page_of
from icefield_apiserver.schemas.warehouses import WarehouseChange, WarehouseCreate, effective_phase
from icefield_crds import ObjectMeta, Warehouse, WarehousePhase, WarehouseSpec, WarehouseState
from icefield_crds.names import namespace_of, slugify
from icefield_crds.warehouse import WAKE_ANNOTATION

T = TypeVar("T")

_PUBLIC_ID = re.compile(r"wh_[0-9a-f]{12}")


class WarehouseRepository:
    """Finds, changes, starts and stops warehouses, each call inside the caller's workspace.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, principal: Principal, id_or_name: str) -> Warehouse:
        """Return the warehouse with this id, name in Kubernetes, or name that people gave it.

        Raises:
            NotFound: the workspace has none.
        """
        namespace = namespace_of(principal.workspace)
        if _PUBLIC_ID.fullmatch(id_or_name):
            found = await self._cluster.warehouses.find_by_public_id(namespace, id_or_name)
        else:
            found = self._named(namespace, id_or_name) or await self._find_live(namespace, id_or_name)
        if found is None:
            raise NotFound(f"There is no warehouse {id_or_name} in workspace {principal.workspace}.")
        return found

    def now(self, uid: str) -> Warehouse | None:
        """Return the warehouse with this metadata.uid as it stands by now; None when it was deleted."""
        return self._cluster.warehouses.store.by_uid(uid)

    def page(self, principal: Principal, window: Window, shape: Callable[[Warehouse], T]) -> Page[T]:
        """Return a page of the workspace's warehouses by name in Kubernetes."""
        return page_of(self._cluster.warehouses.store, namespace_of(principal.workspace), window, shape)

    async def create(self, principal: Principal, request: WarehouseCreate) -> Warehouse:
        """Create a warehouse as the caller.

        Raises:
            BadRequest: its name makes none in Kubernetes, or the platform has no such size.
            Conflict: the workspace has a warehouse of this name.
            Forbidden: the caller's role does not permit it.
        """
        namespace = namespace_of(principal.workspace)
        try:
            slug = slugify(request.name)
        except ValueError as error:
            raise BadRequest(f"Field name: {error}.") from error
        self._check_name_is_free(principal, request.name)
        patch = request.spec_patch()
        await self._check_sizes(patch)
        spec = WarehouseSpec.model_validate({key: value for key, value in patch.items() if value is not None})
        warehouse = Warehouse(metadata=ObjectMeta(name=slug, namespace=namespace), spec=spec)
        return await self._cluster.create(warehouse, Impersonation.of(principal))

    async def update(self, principal: Principal, id_or_name: str, request: WarehouseChange) -> Warehouse:
        """Change a warehouse as the caller.

        Raises:
            BadRequest: the platform has no such size, or a field was cleared that must stand.
            Conflict: another warehouse has the new name.
        """
        warehouse = await self.get(principal, id_or_name)
        patch = request.spec_patch()
        if patch.get("autoStop", "") is None or patch.get("displayName", "") is None:
            raise BadRequest("Fields name and auto_stop cannot be null.")
        if name := patch.get("displayName"):
            self._check_name_is_free(principal, name, warehouse)
        await self._check_sizes(patch)
        return (
            await self._cluster.patch(warehouse, {"spec": patch}, Impersonation.of(principal)) if patch else warehouse
        )

    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete a warehouse as the caller.

        Raises:
            Conflict: it is not stopped, as with compute instances; one in error may go.
        """
        warehouse = await self.get(principal, id_or_name)
        phase = effective_phase(warehouse)
        if phase not in (WarehousePhase.STOPPED, WarehousePhase.ERROR):
            raise Conflict(f"Warehouse {id_or_name} is {phase.value}; stop it before deleting it.")
        await self._cluster.delete(warehouse, Impersonation.of(principal))

    async def start(self, principal: Principal, id_or_name: str) -> Warehouse:
        """Start a warehouse as the caller; one that runs or starts stays as it is."""
        warehouse = await self.get(principal, id_or_name)
        wanted = warehouse.spec.desired_state is WarehouseState.RUNNING
        if wanted and effective_phase(warehouse) in (WarehousePhase.STARTING, WarehousePhase.RUNNING):
            return warehouse
        patch: dict[str, Any] = {"metadata": {"annotations": {WAKE_ANNOTATION: _now()}}}
        if not wanted:
            patch["spec"] = {"desiredState": WarehouseState.RUNNING.value}
        return await self._cluster.patch(warehouse, patch, Impersonation.of(principal))

    async def stop(self, principal: Principal, id_or_name: str) -> Warehouse:
        """Stop a warehouse as the caller; a statement, or a start, wakes it again."""
        warehouse = await self.get(principal, id_or_name)
        is_woken = WAKE_ANNOTATION in warehouse.metadata.annotations
        if warehouse.spec.desired_state is WarehouseState.STOPPED and not is_woken:
            return warehouse
        patch = {
            "metadata": {"annotations": {WAKE_ANNOTATION: None}},
            "spec": {"desiredState": WarehouseState.STOPPED.value},
        }
        return await self._cluster.patch(warehouse, patch, Impersonation.of(principal))

    async def wake(self, warehouse: Warehouse) -> None:
        """Say that the warehouse is needed now; as the platform, for whoever may query may wake."""
        await self._cluster.annotate(warehouse, {WAKE_ANNOTATION: _now()})

    async def _check_sizes(self, patch: dict[str, Any]) -> None:
        executors = patch.get("sparkExecutors") or {}
        for name in filter(None, (patch.get("size"), executors.get("size"))):
            if await self._cluster.flavors.find(None, name) is None:
                known = ", ".join(sorted(f.metadata.name for f in self._cluster.flavors.store.all()))
                raise BadRequest(f"There is no flavor {name}; there are: {known or 'none'}.")

    def _check_name_is_free(self, principal: Principal, name: str, renamed: Warehouse | None = None) -> None:
        found = self._named(namespace_of(principal.workspace), name)
        if found and (renamed is None or found.metadata.uid != renamed.metadata.uid):
            raise Conflict(f"A warehouse named {name} already exists in workspace {principal.workspace}.")

    def _named(self, namespace: str, name: str) -> Warehouse | None:
        store = self._cluster.warehouses.store
        group = store.walk(warehouse_name_group(namespace, name))
        return store.get(namespace, name) or next((warehouse for _, warehouse in group), None)

    async def _find_live(self, namespace: str, name: str) -> Warehouse | None:
        try:
            slug = slugify(name)
        except ValueError:
            return None
        found = await self._cluster.warehouses.find(namespace, name if slug == name.lower() else slug)
        return found if found and name in (found.metadata.name, found.spec.display_name) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
