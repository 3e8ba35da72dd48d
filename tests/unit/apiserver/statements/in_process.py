"""Statements and queries in one process: everything real but the catalog, the database, Kubernetes and the gateway."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa

from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.core.planning_threads import PlanningThreads
from icefield_apiserver.core.settings import StatementSettings
from icefield_apiserver.features.query.planning import QueryPlanner
from icefield_apiserver.features.query.service import QueryService
from icefield_apiserver.features.query.spark import SparkQueries
from icefield_apiserver.features.query.warehouses import WarehouseStatements
from icefield_apiserver.features.statements.ahead import RecentReads
from icefield_apiserver.features.statements.dependencies import ExecutionDependencies
from icefield_apiserver.features.statements.dispatch import Dispatcher
from icefield_apiserver.features.statements.executor import Executor
from icefield_apiserver.features.statements.janitor import Janitor
from icefield_apiserver.features.statements.openlineage import LineageEvents
from icefield_apiserver.features.statements.planning import Planner
from icefield_apiserver.features.statements.service import StatementService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import (
    Catalog,
    ObjectMeta,
    PolarsWorkload,
    Role,
    Run,
    RunSpec,
    SparkApplication,
    Warehouse,
    WarehousePhase,
    Workspace,
)
from icefield_crds.wire.gateway import ResultIndex, StatementPhase, StatementRequest, StatementState
from icefield_sql import Column, Table

from .tables import TableAt

PRINCIPAL = Principal("ada@acme.eu", "user", "acme", Role.ADMIN)
LOCATION = "s3://lake/orders/1.metadata.json"
ORDERS = Table(LOCATION, 1, columns=(Column("id", "bigint"), Column("name", "string")))


def _first_rows() -> bytes:
    batch = pa.record_batch({"id": list(range(10)), "name": [f"n{number}" for number in range(10)]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


class InMemoryCatalog:
    """A catalog with one table, default.orders."""

    workspace = "acme"

    def __init__(self) -> None:
        self.table: Table | None = ORDERS
        self.loads = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.current = TableAt()

    def of(self, workspace: str) -> InMemoryCatalog:
        return self

    @property
    def planned_tables(self) -> dict[tuple[str, str], Table]:
        return {(self.workspace, self.table.metadata_location): self.table} if self.table else {}

    def last_loaded(self, namespace: tuple[str, ...], name: str) -> Any:
        return self._loaded()

    async def load_table(self, namespace: tuple[str, ...], name: str) -> Any:
        self.loads += 1
        await self.answers.wait()
        if (namespace, name) != (("default",), "orders") or self.table is None:
            raise NotFound(f"no table {name}")
        return self._loaded()

    async def load_view(self, namespace: tuple[str, ...], name: str) -> Any:
        raise NotFound(f"no view {name}")

    async def load_namespace(self, namespace: tuple[str, ...]) -> dict[str, str]:
        return {}

    async def list_namespaces(self, parent: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [("default",)]

    async def list_tables(self, namespace: tuple[str, ...]) -> list[str]:
        return ["orders"]

    async def list_views(self, namespace: tuple[str, ...]) -> list[str]:
        return []

    def _loaded(self) -> Any:
        location = self.table.metadata_location if self.table else ""
        committed = f"-{self.current.version}" if self.current.version > 1 else ""
        return replace(self.current.loaded, metadata_location=location + committed)


class InMemoryRecords:
    """The records of statements: what each ended with, and how often each was written.

    Attributes:
        refusal: raised by every INSERT; None to store.
        accepted: the statements accepted before their ids were told.
        changes: all changes between INSERT and end.
    """

    def __init__(self) -> None:
        self.ended: dict[str, Any] = {}
        self.writes: Counter[str] = Counter()
        self.refusal: Exception | None = None
        self.accepted: list[str] = []
        self.changes: list[dict[str, Any]] = []

    async def insert(self, values: Any) -> None:
        if self.refusal:
            raise self.refusal
        self.writes[values["id"]] += 1
        if "finished_at" in values:
            self.ended[values["id"]] = values

    async def change(self, statement_id: str, owner: str, values: Any) -> bool:
        self.writes[statement_id] += 1
        self.changes.append(values)
        return True

    async def finish(self, statement_id: str, owner: str, values: Any, more: Any) -> bool:
        self.writes[statement_id] += 1
        self.ended[statement_id] = values
        return True

    async def accept(self, statement_id: str) -> bool:
        self.accepted.append(statement_id)
        return True

    async def refuse_unaccepted(self, error_code: str, error_message: str) -> int:
        return 0

    async def renew(self, owner: str, statement_ids: Any, lease_until: Any) -> dict[str, bool]:
        return dict.fromkeys(statement_ids, False)

    async def adopt(self, owner: str, lease_until: Any, limit: int, besides: Any) -> list[Any]:
        return []

    async def expired(self, limit: int) -> list[Any]:
        return []

    async def release(self, owner: str) -> None:
        return None


@dataclass
class EchoGateway:
    """A gateway where statements end at once, with success but for `failures`.

    Attributes:
        received: the statements that were sent, each with its id in `ids`.
        milliseconds: how long each took, as it reports.
    """

    inline: bytes = field(default_factory=_first_rows)
    received: list[StatementRequest] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    milliseconds: float = 1.0
    is_old: bool = False
    """Whether it stores every result, because it knows nothing of `content_bytes`."""
    failures: list[Exception | tuple[str, str]] = field(default_factory=list)
    """What happens to the next statements instead: an error of the call, or (code, message) of a failed statement."""
    on_write: Callable[[], None] | None = None
    """What a write does to its table, whether its answer arrives or not."""
    seconds: float = 0.0
    """How long a statement takes."""

    async def put(
        self, workspace: str, endpoint: str, statement_id: str, statement: StatementRequest, wait: float
    ) -> StatementState:
        self.received.append(statement)
        self.ids.append(statement_id)
        await asyncio.sleep(self.seconds)
        if statement.is_write and self.on_write:
            self.on_write()
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            code, message = failure
            return StatementState(statement_id, StatementPhase.FAILED, statement.engine, code, message)
        schema = [{"name": "id", "type": "bigint"}, {"name": "name", "type": "string"}]
        return StatementState(
            id=statement_id,
            engine=statement.engine,
            status=StatementPhase.SUCCEEDED,
            schema=None if statement.is_write else schema,
            rows_produced=10,
            inline=None if statement.is_write else self.inline,
            result=None if statement.is_write else ResultIndex(statement.result_key or "", len(self.inline), 0, ()),
            content=None if statement.is_write or self.is_old else self.inline,
            duration_ms=self.milliseconds,
        )


class OneWarehouse:
    """The warehouse called default, which runs."""

    def __init__(self) -> None:
        self.warehouse = Warehouse.model_validate(
            {
                "metadata": {"name": "default", "namespace": "ws-acme", "uid": "0a1b2c3d-0000-0000-0000-000000000000"},
                "spec": {},
                "status": {"phase": WarehousePhase.RUNNING.value, "endpoint": "http://gateway", "sparkReady": True},
            }
        )

    async def get(self, principal: Principal, id_or_name: str) -> Warehouse:
        return self.warehouse

    def by_uid(self, uid: str) -> Warehouse:
        return self.warehouse


class Submitted:
    """Polars workloads and Spark applications, which are only submitted."""

    async def run(self, principal: Principal, workload: PolarsWorkload, **options: Any) -> Run:
        return Run(metadata=ObjectMeta(name="r", namespace="ws-acme", uid="0" * 36), spec=RunSpec(polars=workload))

    async def submit(self, principal: Principal, application: SparkApplication, **options: Any) -> Run:
        return Run(metadata=ObjectMeta(name="r", namespace="ws-acme", uid="0" * 36), spec=RunSpec(spark=application))


class _Workspaces:
    def __init__(self) -> None:
        catalog = Catalog.model_validate({"aliases": ["oleander"]})
        self.workspace = Workspace.model_validate(
            {"metadata": {"name": "acme", "uid": "u"}, "spec": {"displayName": "acme", "catalog": catalog.to_api()}}
        )

    def get(self, name: str) -> Workspace:
        return self.workspace

    existing = get


@dataclass
class InProcess:
    """The services under test and what they call."""

    statements: StatementService
    queries: QueryService
    spark: SparkQueries
    catalog: InMemoryCatalog
    gateway: EchoGateway
    records: InMemoryRecords
    warehouses: OneWarehouse


@asynccontextmanager
async def in_process() -> AsyncIterator[InProcess]:
    """Run statements and queries as long as the context lasts."""
    catalog, gateway, warehouses, workspaces = InMemoryCatalog(), EchoGateway(), OneWarehouse(), _Workspaces()
    settings, records, submitted = StatementSettings(), InMemoryRecords(), Submitted()
    any_catalogs, any_workspaces = cast(Any, catalog), cast(Any, workspaces)
    waker = cast(Any, _AwakeWarehouse(warehouses))
    threads = PlanningThreads()
    planner = Planner(any_catalogs, threads)
    deps = ExecutionDependencies(
        repository=cast(Any, records),
        planner=planner,
        recent_reads=RecentReads(),
        catalogs=any_catalogs,
        waker=waker,
        dispatcher=Dispatcher(cast(Any, gateway), waker, settings),
        recorder=cast(Any, SimpleNamespace(of_statement=lambda *arguments: [])),
        workspaces=any_workspaces,
        volumes=cast(Any, None),
        copied_files=cast(Any, None),
        settings=settings,
    )
    janitor = Janitor(deps.repository, cast(Any, None), any_workspaces)
    executor = Executor(deps, janitor, asyncio.Event(), LineageEvents(None, "icefield"))
    nothing = cast(Any, None)
    statements = StatementService(
        cast(Any, records), executor, planner, nothing, cast(Any, warehouses), nothing, nothing, nothing, any_workspaces
    )
    store = SimpleNamespace(walk=lambda namespace: [("default", warehouses.warehouse)])
    cluster = SimpleNamespace(cache=lambda kind: SimpleNamespace(store=store))
    query_planner = QueryPlanner(any_catalogs, threads)
    spark = SparkQueries(query_planner, cast(Any, submitted), any_catalogs, any_workspaces)
    on_warehouse = WarehouseStatements(statements, cast(Any, warehouses), cast(Any, cluster))
    queries = QueryService(query_planner, on_warehouse, cast(Any, submitted), spark)
    async with executor.running():
        yield InProcess(statements, queries, spark, catalog, gateway, records, warehouses)


@dataclass
class _AwakeWarehouse:
    warehouses: OneWarehouse

    def warehouse_of(self, execution: Any) -> Warehouse:
        return self.warehouses.warehouse

    async def endpoint(self, execution: Any) -> str:
        return "http://gateway"
