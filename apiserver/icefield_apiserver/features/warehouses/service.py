"""SQL warehouses of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from icefield_apiserver.core.errors import BadRequest, Conflict
from icefield_apiserver.core.kube import Cluster, NamedResources
from icefield_apiserver.core.kube.flavors import check_flavors_exist
from icefield_apiserver.core.kube.named_resources import slug_for
from icefield_apiserver.core.pagination import Page, Window
from icefield_apiserver.identity.principal import Principal
from icefield_crds import ObjectMeta, Warehouse, WarehousePhase, WarehouseSpec, WarehouseState
from icefield_crds.names import namespace_of
from icefield_crds.warehouse import WAKE_ANNOTATION

T = TypeVar("T")


class WarehouseService:
    """Finds, changes, starts and stops warehouses, each call inside the caller's workspace.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._warehouses = NamedResources(cluster, Warehouse)

    async def get(self, principal: Principal, id_or_name: str) -> Warehouse:
        """Return the warehouse with this id, name in Kubernetes, or display name.

        Raises:
            NotFound: the workspace has none.
        """
        return await self._warehouses.get(principal.workspace, id_or_name)

    def by_uid(self, uid: str) -> Warehouse | None:
        """Return the newest known version of the warehouse with this metadata.uid; None when it was deleted."""
        return self._warehouses.current(uid)

    def page(self, principal: Principal, window: Window, shape: Callable[[Warehouse], T]) -> Page[T]:
        """Return a page of the workspace's warehouses by name in Kubernetes."""
        return self._warehouses.page(principal.workspace, window, shape)

    async def create(self, principal: Principal, name: str, spec: WarehouseSpec) -> Warehouse:
        """Create a warehouse as the caller.

        Args:
            principal: the caller.
            name: its display name.
            spec: everything else.

        Raises:
            BadRequest: no Kubernetes name can be made of the name, or the platform has no such size.
            Conflict: the workspace has a warehouse of this name.
            Forbidden: the caller's role does not permit it.
        """
        metadata = ObjectMeta(name=slug_for(name), namespace=namespace_of(principal.workspace))
        self._warehouses.check_name_is_free(principal.workspace, name)
        warehouse = Warehouse(metadata=metadata, spec=spec.model_copy(update={"display_name": name}))
        await self._check_sizes(spec.to_api())
        return await self._warehouses.create(warehouse, principal.impersonation)

    async def update(self, principal: Principal, id_or_name: str, patch: Mapping[str, Any]) -> Warehouse:
        """Change a warehouse as the caller.

        Args:
            principal: the caller.
            id_or_name: the warehouse.
            patch: JSON merge patch of its spec, in Kubernetes' spelling.

        Raises:
            BadRequest: the platform has no such size, or a required field was cleared.
            Conflict: another warehouse has the new name.
        """
        warehouse = await self.get(principal, id_or_name)
        for key, field in (("displayName", "name"), ("autoStop", "auto_stop")):
            if patch.get(key, "") is None:
                raise BadRequest(f"Field {field} cannot be null.")
        if name := patch.get("displayName"):
            self._warehouses.check_name_is_free(principal.workspace, name, warehouse)
        await self._check_sizes(patch)
        return await self._warehouses.patch(warehouse, {"spec": patch}, principal.impersonation) if patch else warehouse

    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete a warehouse as the caller.

        Raises:
            Conflict: it is neither stopped nor in error, as with compute instances.
        """
        warehouse = await self.get(principal, id_or_name)
        phase = effective_phase(warehouse)
        if phase not in (WarehousePhase.STOPPED, WarehousePhase.ERROR):
            raise Conflict(f"Warehouse {id_or_name} is {phase.value}; stop it before deleting it.")
        await self._warehouses.delete(warehouse, principal.impersonation)

    async def start(self, principal: Principal, id_or_name: str) -> Warehouse:
        """Start a warehouse as the caller; no effect on one that is running or starting."""
        warehouse = await self.get(principal, id_or_name)
        wanted = warehouse.spec.desired_state is WarehouseState.RUNNING
        is_active = warehouse.phase in (WarehousePhase.STARTING, WarehousePhase.RUNNING)
        if wanted and (is_active or _is_woken(warehouse)):
            return warehouse
        patch: dict[str, Any] = {"metadata": {"annotations": {WAKE_ANNOTATION: _now()}}}
        if not wanted:
            patch["spec"] = {"desiredState": WarehouseState.RUNNING.value}
        return await self._warehouses.patch(warehouse, patch, principal.impersonation)

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
        return await self._warehouses.patch(warehouse, patch, principal.impersonation)

    async def wake(self, warehouse: Warehouse) -> None:
        """Request that the warehouse starts; as the platform, because every caller that may query may wake it."""
        await self._cluster.annotate(warehouse, {WAKE_ANNOTATION: _now()})

    async def _check_sizes(self, patch: Mapping[str, Any]) -> None:
        executors = patch.get("sparkExecutors") or {}
        names = filter(None, (patch.get("size"), executors.get("size")))
        await check_flavors_exist(self._cluster.flavors, names)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def display_name(warehouse: Warehouse) -> str:
    """Return the display name of a warehouse."""
    return warehouse.spec.display_name or warehouse.metadata.name


def effective_phase(warehouse: Warehouse) -> WarehousePhase:
    """Return the phase that clients see: that of the status, or the one that a change not yet observed will cause.

    Clients that start a warehouse and then poll read `stopped` as a failure; so it is `starting` from the call on.
    """
    phase, is_woken = warehouse.phase, _is_woken(warehouse)
    is_wanted = warehouse.spec.desired_state is WarehouseState.RUNNING
    if phase is WarehousePhase.STOPPED:
        is_new = is_wanted and warehouse.status is None
        return WarehousePhase.STARTING if is_woken or is_new else phase
    if phase in (WarehousePhase.STARTING, WarehousePhase.RUNNING) and not is_wanted and not is_woken:
        return WarehousePhase.STOPPING
    return phase


def _is_woken(warehouse: Warehouse) -> bool:
    """Return whether somebody needed the warehouse after it was stopped."""
    wake, stop = warehouse.wake_time, warehouse.status.stop_time if warehouse.status else None
    return wake is not None and (stop is None or wake > stop)
