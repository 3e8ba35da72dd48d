"""Runs queries on the engine that the decision chose, and returns their results."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import icefield_sql as sql
from icefield_apiserver.core.errors import ApiError, BadRequest, Forbidden
from icefield_apiserver.features.polars.service import PolarsService, new_workload
from icefield_apiserver.features.runs.service import has_result, job_annotations
from icefield_apiserver.features.spark.service import Machines
from icefield_apiserver.features.statements.service import EngineChoice, PreparedStatement, check_privileges
from icefield_apiserver.identity.principal import Principal
from icefield_crds import PolarsWorkload, Role, Run, RunPhase, SaveMode, Workspace
from icefield_crds.polars import Vcpus
from icefield_sql import TableName

from . import responses
from .decision import DUCKDB, POLARS, Decision, QueryKind, decide
from .domain import Query
from .planning import QueryFailedError, QueryPlan, QueryPlanner
from .reading import DEFAULT_DATABASE
from .responses import Answer
from .spark import SparkQueries, check_destination, machines_for
from .warehouses import EndedStatement, WarehouseQuery, WarehouseStatements

UNSUPPORTED_SQL = "unsupported_sql"
"""The error kind of a query that Polars does not support (PolarsOutcome.errorKind)."""


@dataclass
class _Job:
    """A planned query of a caller."""

    principal: Principal
    workspace: Workspace
    query: Query
    plan: QueryPlan
    decision: Decision

    @property
    def namespace(self) -> str:
        """Namespace of the job that it counts as."""
        return self.workspace.metadata.name

    @property
    def name(self) -> str:
        """Name of the job that it counts as."""
        return job_name(self.query.text or self.query.script or "")

    @property
    def writes(self) -> bool:
        """Whether it changes tables: then a failure is an HTTP error, because clients check nothing else."""
        return self.plan.destination is not None or self.plan.question.kind is QueryKind.WRITE


class QueryService:
    """Runs queries, each call inside the caller's workspace.

    Args:
        planner: parses and resolves them.
        warehouse: runs statements.
        polars: runs workloads.
        spark: runs applications.
    """

    def __init__(
        self, planner: QueryPlanner, warehouse: WarehouseStatements, polars: PolarsService, spark: SparkQueries
    ) -> None:
        self._planner = planner
        self._warehouse = warehouse
        self._polars = polars
        self._spark = spark

    async def answer(self, principal: Principal, query: Query) -> Answer:
        """Run a query, or only return the decision on it.

        A read that fails is an answer; a write that fails is an error.

        Raises:
            BadRequest: it cannot be run, or it was to write and failed.
            Forbidden: the caller may only read.
            QuotaExceeded: a ceiling is reached.
        """
        job = await self._plan(principal, query)
        if isinstance(job, dict):
            return job
        if query.explain:
            return responses.explained(job.decision)
        if job.writes and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only read.")
        check_destination(principal.access, job.plan.destination, query.write_mode)
        if job.plan.parsed:
            check_privileges(principal.access, job.plan.parsed.statement)
        answer = await self._run(job)
        return {**answer, "job": {"namespace": job.namespace, "name": job.name}}

    async def lake_query(self, principal: Principal, text: str, *, auto_save: bool) -> Answer:
        """Run a read on DuckDB; or on Spark, where its result is to be saved, and return what was saved.

        Args:
            principal: the caller.
            text: one statement.
            auto_save: whether to save the result as the table of its hash.

        Raises:
            BadRequest: it is no read, or is not allowed.
            Forbidden: the caller may only read, and the result is to be saved.
        """
        job = await self._plan(principal, Query(text=text))
        if isinstance(job, dict):
            return responses.lake_failure(text, str(job["error"]))
        kind, command = job.plan.question.kind, job.plan.question.command
        if kind is QueryKind.WRITE:
            raise BadRequest(f"{command} writes, and this call only reads; use /api/v1/query.")
        if auto_save and kind is not QueryKind.READ:
            raise BadRequest(f"Only the result of a query can be saved, and {command} is none.")
        if auto_save and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only read; saving the result writes a table.")
        query, saved = _take_warehouse_query(job), None
        if auto_save:
            # The query runs once, and the answer is what was saved: run again, it might have another result.
            saved, problem = await self._save(job)
            if problem:
                return responses.lake_failure(text, f"The result was not saved: {problem}")
            query = WarehouseQuery(f"SELECT * FROM {saved}")  # noqa: S608 - a name of ours
        ended = await self._warehouse.run(principal, query)
        if ended.error or not ended.is_over:
            return responses.lake_failure(text, ended.error or _still_running(ended))
        return responses.lake_success(text, ended, saved)

    async def _plan(self, principal: Principal, query: Query) -> _Job | Answer:
        """Plan a query; return the answer instead, where a read names what does not exist.

        Raises:
            BadRequest: it cannot be run, or it writes and names what does not exist.
        """
        workspace = self._spark.workspace(principal)
        is_running = self._warehouse.is_running(principal)
        try:
            plan = await self._planner.plan(workspace, query, principal.access, is_warehouse_running=is_running)
        except QueryFailedError as error:
            if error.is_write:
                raise BadRequest(error.sentence) from error
            return responses.failure(error.sentence)
        return _Job(principal, workspace, query, plan, decide(plan.question))

    async def _run(self, job: _Job) -> Answer:
        if job.decision.on_warehouse:
            return await self._on_warehouse(job)
        if job.decision.engine == POLARS:
            return await self._on_polars(job)
        return await self._on_spark(job, job.decision)

    async def _on_warehouse(self, job: _Job) -> Answer:
        engine: EngineChoice = "duckdb" if job.query.engine == DUCKDB else "auto"
        if job.plan.question.kind is QueryKind.WRITE:
            engine = "spark"
        ended = await self._warehouse.run(job.principal, _take_warehouse_query(job, engine))
        if not ended.is_over:
            return responses.of_submitted(job.decision, ended.statement.id, None, job.query.write_mode)
        if job.writes and (refusal := ended.refusal):
            raise refusal
        return responses.of_statement(job.decision, ended, is_write=job.writes)

    async def _on_polars(self, job: _Job) -> Answer:
        polars = await self._planner.for_polars(job.principal.workspace, job.plan)
        workload = _workload_of(job.plan, polars, job.query, job.decision)
        annotations = job_annotations(job.namespace, job.name)
        run = await self._polars.run(job.principal, workload, annotations=annotations)
        destination, mode = job.plan.destination, job.query.write_mode
        if not run.phase.is_terminal:
            return responses.of_submitted(job.decision, run.public_id, destination, mode)
        if run.phase is not RunPhase.SUCCESS:
            return await self._after_polars_failed(job, run)
        if destination:
            return responses.of_write(job.decision, run, destination, mode)
        result = await self._polars.result(job.principal, run) if has_result(run) else None
        return responses.of_workload(job.decision, run, result)

    async def _after_polars_failed(self, job: _Job, run: Run) -> Answer:
        error = responses.error_of(run)
        outcome = run.status.polars if run.status else None
        if job.decision.may_move_to_spark and outcome and outcome.error_kind == UNSUPPORTED_SQL:
            return await self._on_spark(job, job.decision.moved_to_spark(error))
        if job.writes:
            raise BadRequest(_sentence(error))
        return responses.failure(error, job.decision, run)

    async def _on_spark(self, job: _Job, decision: Decision) -> Answer:
        mode, machines = job.query.write_mode, machines_for(decision.inputs)
        run = await self._spark.submit(
            job.principal,
            job.plan,
            machines,
            write_mode=mode,
            namespace=job.namespace,
            name=job.name,
            on_quota=job.query.on_quota,
        )
        return {**responses.of_submitted(decision, run.public_id, job.plan.destination, mode), **_compute(machines)}

    async def _save(self, job: _Job) -> tuple[str | None, str | None]:
        """Save the result of a query as the table of its hash, in one commit; return its name, or why it was not.

        The same text has the same table, with the rows of the last time.
        """
        assert job.plan.parsed is not None  # noqa: S101 - it has a text
        text = job.plan.parsed.text
        table = TableName((DEFAULT_DATABASE,), saved_name(text))
        try:
            await self._spark.create_namespace(job.principal, table)
            statement = WarehouseQuery(f"CREATE OR REPLACE TABLE {table} AS {text}", engine="spark")
            ended = await self._warehouse.run(job.principal, statement)
        except ApiError as error:
            return None, error.sentence
        if ended.error or not ended.is_over:
            return None, ended.error or _still_running(ended)
        return str(table), None


def job_name(text: str) -> str:
    """Return the name of the job that a query or script counts as: the same text is the same job."""
    return f"query-{_digest(text)[:12]}"


def saved_name(text: str) -> str:
    """Return the name of the table in which the result of a query is saved."""
    return f"query_{_digest(text)[:16]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().rstrip(";").rstrip().encode()).hexdigest()


def _take_warehouse_query(job: _Job, engine: EngineChoice = "auto") -> WarehouseQuery:
    """Return a planned query as a warehouse runs it: parsed, and compiled where the decision needed that.

    The job keeps its outline: it may wait for minutes.
    """
    plan, job.plan = job.plan, job.plan.outline()
    assert plan.parsed is not None  # noqa: S101 - only SQL runs on a warehouse
    prepared = PreparedStatement.of(plan.parsed.statement, plan.on_warehouse if engine == "auto" else None)
    return WarehouseQuery(plan.parsed.text, plan.parsed.dialect, engine, prepared)


def _workload_of(plan: QueryPlan, polars: sql.PolarsQuery | None, query: Query, decision: Decision) -> PolarsWorkload:
    """Return the workload of a query or script.

    Raises:
        BadRequest: it could never run.
    """
    common: dict[str, Any] = {
        "vcpus": decision.vcpus or Vcpus.TWO,
        "destination": str(plan.destination) if plan.destination else None,
        "save_mode": SaveMode(query.write_mode),
    }
    if polars is None:
        bound = [(alias, str(table)) for alias, table in plan.bound.items()]
        return new_workload(script=query.script, tables=bound, params=query.params, **common)
    tables = [(each.alias, str(each.table)) for each in polars.tables]
    return new_workload(query=polars.text, tables=tables, params={}, **common)


def _still_running(ended: EndedStatement) -> str:
    return f"It has not ended yet; it is running as statement {ended.statement.id}."


def _compute(machines: Machines) -> Answer:
    return {
        "compute": {
            "driver_machine_type": machines.driver,
            "executor_machine_type": machines.executor,
            "executor_numbers": machines.executors,
        }
    }


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" if text.endswith(".") else f"{text[:1].upper()}{text[1:]}."
