"""Statements on a warehouse of the workspace, which is chosen, or created where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from icefield_apiserver.core.errors import ApiError, BadRequest, Conflict, Unavailable
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.features.statements.service import (
    MAX_WAIT_SECONDS,
    EngineChoice,
    ExecuteRequest,
    FirstRows,
    PlanRequest,
    PreparedStatement,
    Statement,
    StatementService,
)
from icefield_apiserver.features.warehouses.service import WarehouseService, effective_phase
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Flavor, Warehouse, WarehousePhase, WarehouseSpec
from icefield_crds.names import namespace_of
from icefield_crds.wire.gateway import FINAL_PHASES

from .reading import DEFAULT_DATABASE

DEFAULT_WAREHOUSE = "default"
AUTO_STOP = "10m"
LEAST_MEMORY_BYTES = 1536 * 1024**2
"""With less, no warehouse starts: DuckDB and Spark share it."""
LONGEST_WAIT_SECONDS = 1700.0
"""Less than the half hour that published clients wait for an answer."""
_OUTSIDE = frozenset({"WAREHOUSE_UNAVAILABLE", "WAREHOUSE_DELETED", "ENGINE_LOST", "NOT_ACCEPTED", "INTERNAL_ERROR"})
"""Failures that are not caused by the statement, which was not applied: clients may send it again."""
_UNKNOWN = "OUTCOME_UNKNOWN"


@dataclass(frozen=True)
class WarehouseQuery:
    """A statement for a warehouse; names without a database are of `default`.

    Attributes:
        text: one statement.
        dialect: icefield, or duckdb for a read in DuckDB's own SQL.
        engine: what runs it; auto for DuckDB where it reads, and Spark where it writes.
        prepared: its parse, where there is one already.
    """

    text: str
    dialect: str = "icefield"
    engine: EngineChoice = "auto"
    prepared: PreparedStatement | None = None


@dataclass(frozen=True)
class EndedStatement:
    """A statement that has ended, or was waited for in vain; and its first rows where it has any."""

    statement: Statement
    rows: FirstRows | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.statement.status in FINAL_PHASES

    @property
    def error(self) -> str | None:
        """Why it failed; None when it did not."""
        if self.statement.status == "succeeded" or not self.is_over:
            return None
        return self.statement.error_message or f"The statement was {self.statement.status}."

    @property
    def refusal(self) -> ApiError | None:
        """Its failure as an error response; None when it did not fail."""
        if self.error is None:
            return None
        if self.statement.error_code == _UNKNOWN:
            return Conflict(self.error)  # clients repeat after a 503
        is_outside = self.statement.error_code in _OUTSIDE
        return Unavailable(self.error) if is_outside else BadRequest(self.error)


class WarehouseStatements:
    """Runs statements where the workspace has a warehouse.

    Args:
        statements: runs them.
        warehouses: finds and creates warehouses.
        cluster: the flavors and warehouses.
    """

    def __init__(self, statements: StatementService, warehouses: WarehouseService, cluster: Cluster) -> None:
        self._statements = statements
        self._warehouses = warehouses
        self._cluster = cluster

    def is_running(self, principal: Principal) -> bool:
        """Return whether a warehouse of the workspace runs."""
        return any(effective_phase(warehouse) is WarehousePhase.RUNNING for warehouse in self._all(principal))

    async def run(self, principal: Principal, query: WarehouseQuery) -> EndedStatement:
        """Run a statement as the caller, and wait for its end as long as the caller would.

        Raises:
            BadRequest: it is not allowed.
            Forbidden: the caller may only read and it writes, or there is no warehouse and the caller may create none.
            QuotaExceeded: too many statements wait on the warehouse.
        """
        warehouse = await self._warehouse(principal, is_write=query.engine == "spark")
        request = ExecuteRequest(
            PlanRequest(query.text, query.dialect, DEFAULT_DATABASE, engine=query.engine),
            warehouse.metadata.name,
            wait_seconds=MAX_WAIT_SECONDS,
        )
        clock = asyncio.get_running_loop().time
        give_up = clock() + LONGEST_WAIT_SECONDS
        statement, inline = await self._statements.execute(principal, request, query.prepared)
        if statement.status not in FINAL_PHASES:
            statement, inline = await self._statements.ended(principal, statement.id, give_up - clock())
        return EndedStatement(statement, await self._statements.first_rows(principal, statement, inline))

    async def _warehouse(self, principal: Principal, *, is_write: bool) -> Warehouse:
        """Return the warehouse named default, else one that runs, else any; create one where there is none."""
        found = chosen(self._all(principal), is_write=is_write)
        if found is not None:
            return found
        await self._cluster.cache(Warehouse).refresh(namespace_of(principal.workspace))
        if (found := chosen(self._all(principal), is_write=is_write)) is not None:
            return found
        size = smallest(self._cluster.flavors.store.all())
        spec = WarehouseSpec(size=size, auto_stop=AUTO_STOP)
        try:
            return await self._warehouses.create(principal, DEFAULT_WAREHOUSE, spec)
        except Conflict:  # another request created it meanwhile
            return await self._warehouses.get(principal, DEFAULT_WAREHOUSE)

    def _all(self, principal: Principal) -> list[Warehouse]:
        group = self._cluster.cache(Warehouse).store.walk(namespace_of(principal.workspace))
        return [warehouse for _, warehouse in group if warehouse.metadata.deletion_timestamp is None]


_ORDER = (
    WarehousePhase.RUNNING,
    WarehousePhase.STARTING,
    WarehousePhase.STOPPING,
    WarehousePhase.STOPPED,
    WarehousePhase.ERROR,
)


def chosen(warehouses: Iterable[Warehouse], *, is_write: bool = False) -> Warehouse | None:
    """Return the warehouse named default, else one that runs, else any; None when there are none.

    Args:
        warehouses: those of the workspace.
        is_write: whether the statement changes tables: one that runs then comes before the one named default.
    """

    def rank(warehouse: Warehouse) -> tuple[int, ...]:
        phase = effective_phase(warehouse)
        is_other = DEFAULT_WAREHOUSE not in (warehouse.metadata.name, warehouse.spec.display_name)
        order = _ORDER.index(phase)
        is_broken = phase is WarehousePhase.ERROR
        return (order, is_other) if is_write else (is_broken, is_other, order)

    return min(warehouses, key=rank, default=None)


def smallest(flavors: Iterable[Flavor]) -> str | None:
    """Return the smallest flavor on which a warehouse runs; None for the workspace's default."""
    sizes = [
        (_number(flavor.spec.memory), _number(flavor.spec.cpu), flavor.metadata.name)
        for flavor in flavors
        if not flavor.spec.gpu
    ]
    return min((size for size in sizes if size[0] >= LEAST_MEMORY_BYTES), default=(0, 0, None))[2]


def _number(quantity: str) -> Decimal:
    number: Decimal = parse_quantity(quantity)  # type: ignore[no-untyped-call]
    return number
