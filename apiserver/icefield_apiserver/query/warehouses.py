"""Statements on a warehouse of the workspace: one is chosen, or made, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kubernetes.utils.quantity import parse_quantity

from icefield_apiserver.db.models import Statement
from icefield_apiserver.errors import ApiError, BadRequest, Conflict, Unavailable
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster
from icefield_apiserver.repositories.warehouses import WarehouseRepository
from icefield_apiserver.schemas.statements import MAX_WAIT_SECONDS, Execute
from icefield_apiserver.schemas.warehouses import WarehouseCreate, effective_phase
from icefield_apiserver.statements.answers import rows_of_stream
from icefield_apiserver.statements.gateway import TERMINAL
from icefield_apiserver.statements.service import INLINE_ROWS, Statements
from icefield_crds import Flavor, Warehouse, WarehousePhase
from icefield_crds.names import namespace_of

from .reading import DEFAULT_DATABASE

DEFAULT_WAREHOUSE = "default"
AUTO_STOP = "10m"
LEAST_MEMORY_BYTES = 1536 * 1024**2
"""With less, no warehouse starts: DuckDB and Spark share it."""
LONGEST_WAIT_SECONDS = 1700.0
"""Less than the half hour that published clients wait for an answer."""
EngineChoice = Literal["auto", "duckdb", "spark"]
_OUTSIDE = frozenset({"WAREHOUSE_UNAVAILABLE", "WAREHOUSE_DELETED", "ENGINE_LOST", "INTERNAL_ERROR"})
"""Failures that are not the statement's own."""


@dataclass(frozen=True)
class Rows:
    """The first rows of a result.

    Attributes:
        column_types: as Spark SQL names them.
        json: the rows as JSON, a list of lists.
        truncated: whether there are more rows than these.
    """

    columns: list[str]
    column_types: list[str]
    json: bytes
    truncated: bool


@dataclass(frozen=True)
class Ended:
    """A statement that has ended, or was waited for in vain; and its rows where it has any."""

    statement: Statement
    rows: Rows | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.statement.status in TERMINAL

    @property
    def error(self) -> str | None:
        """Why it failed; None when it did not."""
        if self.statement.status == "succeeded" or not self.is_over:
            return None
        return self.statement.error_message or f"The statement was {self.statement.status}."

    @property
    def refusal(self) -> ApiError | None:
        """The same as an answer other than success."""
        if self.error is None:
            return None
        is_outside = self.statement.error_code in _OUTSIDE
        return Unavailable(self.error) if is_outside else BadRequest(self.error)


class WarehouseStatements:
    """Runs statements where the workspace has a warehouse.

    Args:
        statements: runs them.
        warehouses: where they run.
        cluster: the sizes that there are.
    """

    def __init__(self, statements: Statements, warehouses: WarehouseRepository, cluster: Cluster) -> None:
        self._statements = statements
        self._warehouses = warehouses
        self._cluster = cluster

    def is_running(self, principal: Principal) -> bool:
        """Say whether a warehouse of the workspace runs."""
        return any(effective_phase(warehouse) is WarehousePhase.RUNNING for warehouse in self._there(principal))

    async def run(
        self,
        principal: Principal,
        text: str,
        *,
        dialect: str = "icefield",
        engine: EngineChoice = "auto",
    ) -> Ended:
        """Run a statement as the caller, and wait for its end as long as the caller would.

        Args:
            principal: the caller.
            text: one statement; names without a database are of `default`.
            dialect: icefield, or duckdb for a read in DuckDB's own SQL.
            engine: what runs it; auto for DuckDB where it reads, and Spark where it writes.

        Raises:
            BadRequest: it is not allowed.
            Forbidden: the caller may only read, and it writes; or there is no warehouse, and the caller may make none.
            QuotaExceeded: too many statements wait on the warehouse.
        """
        warehouse = await self._warehouse(principal, is_write=engine == "spark")
        body = Execute(
            query=text,
            warehouse_id=warehouse.metadata.name,
            schema=DEFAULT_DATABASE,
            wait_timeout=MAX_WAIT_SECONDS,
            engine=engine,
            dialect="duckdb" if dialect == "duckdb" else "icefield",
        )
        clock = asyncio.get_running_loop().time
        give_up = clock() + LONGEST_WAIT_SECONDS
        statement, inline = await self._statements.execute(principal, body, None)
        if statement.status not in TERMINAL:
            statement, inline = await self._statements.ended(principal, statement.id, give_up - clock())
        return Ended(statement, await self._rows(principal, statement, inline))

    async def _rows(self, principal: Principal, statement: Statement, inline: bytes | None) -> Rows | None:
        """Return the first rows: those that came with the answer, or else from the object store."""
        if statement.status != "succeeded" or statement.result_schema is None:
            return None
        total = statement.rows_produced or 0
        wanted = min(total, INLINE_ROWS)
        count, rows = rows_of_stream(inline) if inline is not None else (-1, b"")
        if count < wanted:
            _, result = await self._statements.result(principal, statement.id)
            pieces = await self._statements.json_rows(result, 0, wanted)
            count, rows = wanted, b"".join([piece async for piece in pieces])
        return Rows(
            columns=[column["name"] for column in statement.result_schema],
            column_types=[column["type"] for column in statement.result_schema],
            json=b"[" + rows + b"]",
            truncated=count < total,
        )

    async def _warehouse(self, principal: Principal, *, is_write: bool) -> Warehouse:
        """Return the warehouse called default, else one that runs, else any; without one, one that is made now."""
        found = chosen(self._there(principal), is_write=is_write)
        if found is not None:
            return found
        await self._cluster.warehouses.list_live(namespace_of(principal.workspace))
        if (found := chosen(self._there(principal), is_write=is_write)) is not None:
            return found
        request = WarehouseCreate(
            name=DEFAULT_WAREHOUSE, size=smallest(self._cluster.flavors.store.all()), auto_stop=AUTO_STOP
        )
        try:
            return await self._warehouses.create(principal, request)
        except Conflict:  # somebody else asked at the same time
            return await self._warehouses.get(principal, DEFAULT_WAREHOUSE)

    def _there(self, principal: Principal) -> list[Warehouse]:
        group = self._cluster.warehouses.store.walk(namespace_of(principal.workspace))
        return [warehouse for _, warehouse in group if warehouse.metadata.deletion_timestamp is None]


_ORDER = (
    WarehousePhase.RUNNING,
    WarehousePhase.STARTING,
    WarehousePhase.STOPPING,
    WarehousePhase.STOPPED,
    WarehousePhase.ERROR,
)


def chosen(warehouses: Iterable[Warehouse], *, is_write: bool = False) -> Warehouse | None:
    """Return the warehouse called default, else one that runs, else any; None when there are none.

    Args:
        warehouses: those of the workspace.
        is_write: whether the statement changes tables: what runs then comes before what is called default.
    """

    def rank(warehouse: Warehouse) -> tuple[int, ...]:
        phase = effective_phase(warehouse)
        is_other = DEFAULT_WAREHOUSE not in (warehouse.metadata.name, warehouse.spec.display_name)
        order = _ORDER.index(phase)
        is_broken = phase is WarehousePhase.ERROR
        return (order, is_other) if is_write else (is_broken, is_other, order)

    return min(warehouses, key=rank, default=None)


def smallest(flavors: Iterable[Flavor]) -> str | None:
    """Return the name of the smallest size on which a warehouse runs; None, for the workspace's, when there is none."""
    sizes = [
        (_number(flavor.spec.memory), _number(flavor.spec.cpu), flavor.metadata.name)
        for flavor in flavors
        if not flavor.spec.gpu
    ]
    return min((size for size in sizes if size[0] >= LEAST_MEMORY_BYTES), default=(0, 0, None))[2]


def _number(quantity: str) -> Decimal:
    number: Decimal = parse_quantity(quantity)  # type: ignore[no-untyped-call]
    return number
