"""Has queries run by the engine that was decided on, and says what became of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.errors import ApiError, BadRequest, Forbidden
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.polars.outcome import has_result
from icefield_apiserver.polars.service import PolarsService
from icefield_apiserver.schemas.polars import PolarsRequest, TableBinding
from icefield_apiserver.schemas.query import LakeQuery, QueryRequest
from icefield_apiserver.spark.applications import job_annotations
from icefield_apiserver.spark.machines import Machines, machines_for
from icefield_apiserver.sql.names import TableName
from icefield_apiserver.sql.polars import to_polars
from icefield_crds import Role, Run, RunPhase, Workspace

from . import answers
from .answers import Answer
from .applications import SparkQueries
from .decision import AUTO, DUCKDB, POLARS, Decision, Source, decide
from .planning import Plan, QueryFailedError, QueryPlanner
from .reading import DEFAULT_DATABASE
from .warehouses import Ended, EngineChoice, WarehouseStatements

UNSUPPORTED_SQL = "unsupported_sql"
"""What a sandbox calls a failure to understand the query (PolarsOutcome.errorKind)."""


@dataclass(frozen=True)
class _Job:
    """A request on its way."""

    principal: Principal
    workspace: Workspace
    request: QueryRequest
    plan: Plan
    decision: Decision

    @property
    def namespace(self) -> str:
        """Namespace of the job that it counts as."""
        return self.workspace.metadata.name

    @property
    def name(self) -> str:
        """Name of the job that it counts as."""
        return job_name(self.request.query or self.request.script or "")

    @property
    def writes(self) -> bool:
        """Whether it changes tables: then a failure has a status of its own, for clients look at nothing else."""
        return self.plan.destination is not None or self.plan.question.source is Source.CHANGE


class QueryRouter:
    """Runs queries, each call inside the caller's workspace.

    Args:
        planner: reads them.
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

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """Run a query, or only say what would run it.

        A read that fails is an answer; a write that fails is an error.

        Raises:
            BadRequest: it cannot be run, or it was to write and failed.
            Forbidden: the caller may only read.
            QuotaExceeded: a ceiling is reached.
        """
        job = await self._planned(principal, request)
        if isinstance(job, dict):
            return job
        if request.explain:
            return answers.explained(job.decision)
        if job.writes and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only read.")
        said = await self._run(job)
        return {**said, "job": {"namespace": job.namespace, "name": job.name}}

    async def lake_query(self, principal: Principal, request: LakeQuery) -> Answer:
        """Run a read on DuckDB, and save its result where that is wanted.

        Raises:
            BadRequest: it is no read, or is not allowed.
            Forbidden: the caller may only read, and the result shall be saved.
        """
        job = await self._planned(principal, QueryRequest(query=request.query, engine=AUTO))
        if isinstance(job, dict):
            return answers.lake_failure(request.query, str(job["error"]))
        if job.plan.question.source is Source.CHANGE:
            raise BadRequest(f"{job.plan.question.command} writes, and this call only reads; use /api/v1/query.")
        if request.auto_save and job.plan.question.source is not Source.QUERY:
            raise BadRequest(f"Only the result of a query can be saved, and {job.plan.question.command} is none.")
        if request.auto_save and not principal.may(Role.EDITOR):
            raise Forbidden(f"Your role {principal.role.value} may only read; saving the result writes a table.")
        assert job.plan.asked is not None  # noqa: S101 - what a request with a query has
        asked_sql = job.plan.asked
        ended = await self._warehouse.run(principal, asked_sql.text, dialect=asked_sql.dialect)
        if ended.error or not ended.is_over:
            return answers.lake_failure(request.query, ended.error or _going_on(ended))
        saved = None
        if request.auto_save:
            saved, problem = await self._save(job, asked_sql.text)
            if problem:
                return answers.lake_failure(request.query, f"The query ran, but its result was not saved: {problem}")
        return answers.lake_success(request.query, ended, saved)

    async def _planned(self, principal: Principal, request: QueryRequest) -> _Job | Answer:
        """Return what is to be done; the answer, where a read names what is not there.

        Raises:
            BadRequest: it cannot be run, or it writes and names what is not there.
        """
        workspace = self._spark.workspace(principal)
        is_running = self._warehouse.is_running(principal)
        try:
            plan = await self._planner.plan(workspace, request, is_warehouse_running=is_running)
        except QueryFailedError as error:
            if error.is_write:
                raise BadRequest(error.sentence) from error
            return answers.failure(error.sentence)
        return _Job(principal, workspace, request, plan, decide(plan.question))

    async def _run(self, job: _Job) -> Answer:
        if job.decision.on_warehouse:
            return await self._on_warehouse(job)
        if job.decision.engine == POLARS:
            return await self._on_polars(job)
        return await self._on_spark(job, job.decision)

    async def _on_warehouse(self, job: _Job) -> Answer:
        asked = job.plan.asked
        assert asked is not None  # noqa: S101 - only SQL is decided to run on a warehouse
        engine: EngineChoice = "duckdb" if job.request.engine == DUCKDB else "auto"
        if job.plan.question.source is Source.CHANGE:
            engine = "spark"
        ended = await self._warehouse.run(job.principal, asked.text, dialect=asked.dialect, engine=engine)
        if not ended.is_over:
            return answers.of_submitted(job.decision, ended.statement.id, None, job.request.write_mode)
        if job.writes and (refusal := ended.refusal):
            raise refusal
        return answers.of_statement(job.decision, ended, is_write=job.writes)

    async def _on_polars(self, job: _Job) -> Answer:
        workload = _workload_of(job.plan, job.request, job.decision).to_workload()
        annotations = job_annotations(job.namespace, job.name)
        run = await self._polars.run(job.principal, workload, annotations=annotations)
        destination, mode = job.plan.destination, job.request.write_mode
        if not run.phase.is_terminal:
            return answers.of_submitted(job.decision, run.public_id, destination, mode)
        if run.phase is not RunPhase.SUCCESS:
            return await self._after_polars_failed(job, run)
        if destination:
            return answers.of_write(job.decision, run, destination, mode)
        result = await self._polars.result(job.principal, run) if has_result(run) else None
        return answers.of_workload(job.decision, run, result)

    async def _after_polars_failed(self, job: _Job, run: Run) -> Answer:
        error = answers.error_of(run)
        outcome = run.status.polars if run.status else None
        if job.decision.may_move_to_spark and outcome and outcome.error_kind == UNSUPPORTED_SQL:
            return await self._on_spark(job, job.decision.moved_to_spark(error))
        if job.writes:
            raise BadRequest(_sentence(error))
        return answers.failure(error, job.decision, run)

    async def _on_spark(self, job: _Job, decision: Decision) -> Answer:
        mode, machines = job.request.write_mode, machines_for(decision.inputs)
        run = await self._spark.submit(
            job.principal, job.plan, machines, write_mode=mode, namespace=job.namespace, name=job.name
        )
        return {**answers.of_submitted(decision, run.public_id, job.plan.destination, mode), **_compute(machines)}

    async def _save(self, job: _Job, text: str) -> tuple[str | None, str | None]:
        """Save the result of a query as the table of its hash, in one commit; return its name, or why it was not.

        The same text has the same table, which has the rows of the last time.
        """
        table = TableName((DEFAULT_DATABASE,), saved_name(text))
        try:
            await self._spark.make_namespace(job.principal, table)
            statement = f"CREATE OR REPLACE TABLE {table} AS {text}"
            ended = await self._warehouse.run(job.principal, statement, engine="spark")
        except ApiError as error:
            return None, error.sentence
        if ended.error or not ended.is_over:
            return None, ended.error or _going_on(ended)
        return str(table), None


def job_name(text: str) -> str:
    """Return the name of the job that a query or script counts as: the same text is the same job."""
    return f"query-{_digest(text)[:12]}"


def saved_name(text: str) -> str:
    """Return the name of the table in which the result of a query is saved."""
    return f"query_{_digest(text)[:16]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().rstrip(";").rstrip().encode()).hexdigest()


def _workload_of(plan: Plan, request: QueryRequest, decision: Decision) -> PolarsRequest:
    """Return the workload that a query or a script is."""
    common: dict[str, Any] = {
        "vcpus": decision.vcpus,
        "destination": str(plan.destination) if plan.destination else None,
        "save_mode": request.write_mode,
    }
    if plan.asked is None:
        tables = [TableBinding(alias=alias, table=str(table)) for alias, table in plan.bound.items()]
        return PolarsRequest(script=request.script, tables=tables, params=request.params, **common)
    query = to_polars(plan.asked.statement)
    tables = [TableBinding(alias=each.alias, table=str(each.table)) for each in query.tables]
    return PolarsRequest(query=query.text, tables=tables, **common)


def _going_on(ended: Ended) -> str:
    return f"It has not ended yet, and goes on as statement {ended.statement.id}."


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
