"""Response bodies of the query router, as fields; rows are JSON already."""

from __future__ import annotations

from typing import Any

import orjson

from icefield_apiserver.features.runs.service import ResultRows, execution_time
from icefield_apiserver.features.statements.service import FirstRows, Statement
from icefield_crds import Run
from icefield_crds.engines import VERSIONS
from icefield_sql import TableName

from .decision import POLARS, Decision, ExecutionMode
from .schemas import decision_of
from .warehouses import EndedStatement

Answer = dict[str, Any]
"""Fields of schemas.QueryAnswer or LakeAnswer; those that do not apply are absent."""

COMPLETE, SUBMITTED = "COMPLETE", "SUBMITTED"


def encoded(answer: Answer) -> bytes:
    """Return an answer as JSON."""
    return orjson.dumps({name: value for name, value in answer.items() if value is not None})


def explained(decision: Decision) -> Answer:
    """Return the answer for a query that is only explained."""
    return {"success": True, "explain": True, **_decided(decision)}


def failure(error: str, decision: Decision | None = None, run: Run | None = None) -> Answer:
    """Return the answer for a read that failed.

    Args:
        error: why.
        decision: the decision on it, where there is one.
        run: its run, where it has one.
    """
    decided = _decided(decision) if decision else {}
    return {"success": False, "error": error, **decided, "run_id": run.public_id if run else None}


def of_statement(decision: Decision, ended: EndedStatement, *, is_write: bool) -> Answer:
    """Return the answer for a statement that has ended on a warehouse.

    Args:
        decision: the decision on it.
        ended: the statement.
        is_write: whether it changed tables; then it succeeded.
    """
    statement = ended.statement
    if ended.error:
        return {**failure(ended.error, decision), "statement_id": statement.id}
    answer: Answer = {
        "success": True,
        **_decided(decision),
        "row_count": statement.rows_produced,
        "execution_time": time_of(statement),
        "engine_version": VERSIONS.get(statement.engine or decision.engine),
        "statement_id": statement.id,
    }
    if is_write:
        return {**answer, "state": COMPLETE}
    return {**answer, **_rows(ended.rows)}


def of_workload(decision: Decision, run: Run, result: ResultRows | None) -> Answer:
    """Return the answer for a Polars workload that succeeded, with its first rows."""
    if result is None:
        return _of_run(decision, run)
    rows = result.json_fields()
    return {**_of_run(decision, run), "results": rows, "truncated": result.truncated, "row_count": result.row_count}


def of_write(decision: Decision, run: Run, destination: TableName, write_mode: str) -> Answer:
    """Return the answer for a Polars workload that wrote its destination."""
    outcome = run.status.polars if run.status else None
    saved = outcome.saved if outcome else None
    return {
        **_of_run(decision, run),
        "state": COMPLETE,
        "row_count": saved.rows_written if saved else None,
        "output_table": str(destination),
        "write_mode": write_mode,
    }


def of_submitted(decision: Decision, run_id: str, destination: TableName | None, write_mode: str) -> Answer:
    """Return the answer for a run or statement that has not ended.

    Args:
        decision: the decision on it.
        run_id: id of the run, or of the statement.
        destination: the table that its result is written to.
        write_mode: overwrite or append.
    """
    mode = ExecutionMode.SUBMITTED.value
    return {
        "state": SUBMITTED,
        "run_id": run_id,
        "engine_decision": {**_decided(decision)["engine_decision"], "execution_mode": mode},
        "output_table": str(destination) if destination else None,
        "write_mode": write_mode if destination else None,
    }


def lake_success(query: str, ended: EndedStatement, saved: str | None) -> Answer:
    """Return the answer for a query on DuckDB that succeeded.

    Args:
        query: its text.
        ended: its statement.
        saved: the table that has the result, where it was saved.
    """
    statement = ended.statement
    return {
        "success": True,
        "query": query,
        "row_count": statement.rows_produced,
        "execution_time": time_of(statement),
        "saved_table_name": saved,
        **_rows(ended.rows),
    }


def lake_failure(query: str, error: str) -> Answer:
    """Return the answer for a query on DuckDB that failed."""
    return {"success": False, "query": query, "error": error}


def time_of(statement: Statement) -> str | None:
    """Return how long an engine took for a statement, such as `340ms` or `12.3s`."""
    spent = statement.duration_ms
    if spent is None:
        return None
    return f"{spent:.0f}ms" if spent < 999.5 else f"{spent / 1000:.1f}s"


def error_of(run: Run) -> str:
    """Return why a run has failed."""
    error = run.status.error if run.status else None
    return error or f"the run was {run.phase.value}"


def _of_run(decision: Decision, run: Run) -> Answer:
    return {
        "success": True,
        **_decided(decision),
        "execution_time": execution_time(run),
        "engine_version": VERSIONS[POLARS],
    }


def _decided(decision: Decision) -> Answer:
    return {"engine_decision": decision_of(decision).model_dump()}


def _rows(rows: FirstRows | None) -> Answer:
    if rows is None:
        return {}
    return {"results": _results(rows.columns, rows.column_types, rows.json), "truncated": rows.truncated}


def _results(columns: list[str], column_types: list[str], rows_json: bytes) -> Answer:
    return {"columns": columns, "column_types": column_types, "rows": orjson.Fragment(rows_json)}
