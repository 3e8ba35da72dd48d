"""Which engine runs a query, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from icefield_apiserver.core.errors import BadRequest
from icefield_crds.polars import MEMORY_PER_VCPU, Vcpus

from .sizes import GIB, NOTHING_READ, Inputs, SizeBand

POLARS = "polars"
DUCKDB = "duckdb"
SPARK = "spark"
AUTO = "auto"
BLOOM = "bloom"


class QueryKind(StrEnum):
    """The kind of a request's SQL or script."""

    SCRIPT = "script"
    READ = "read"
    METADATA = "metadata"
    """SHOW, DESCRIBE and EXPLAIN: answers about names and plans."""
    WRITE = "write"
    """DML and DDL: the statement names the tables that it writes."""


class ExecutionMode(StrEnum):
    """When the caller receives the outcome."""

    INLINE = "inline"
    """With the answer."""
    SUBMITTED = "submitted"
    """From the run whose id the answer has."""


@dataclass(frozen=True)
class Question:
    """What the decision depends on.

    Attributes:
        requested: auto, duckdb, polars, spark or bloom.
        kind: whether it is a script, or what its SQL does.
        command: name of the statement, such as INSERT; `script` for a script.
        destination: the table that the result is written to.
        inputs: what is read.
        polars_obstacle: why Polars cannot run it, as a sentence; None when it may.
        duckdb_obstacle: why DuckDB cannot answer it as Spark would, as a sentence; None when it can.
        is_warehouse_running: whether a warehouse of the workspace runs.
    """

    requested: str
    kind: QueryKind
    command: str
    destination: str | None = None
    inputs: Inputs = NOTHING_READ
    polars_obstacle: str | None = None
    duckdb_obstacle: str | None = None
    is_warehouse_running: bool = False


@dataclass(frozen=True)
class Decision:
    """Which engine runs it.

    Attributes:
        engine: duckdb, polars or spark.
        mode: when the caller receives the outcome.
        reasons: why, in sentences.
        inputs: what is read.
        vcpus: size of the sandbox; None where it runs in none.
        on_warehouse: whether it is a statement of a warehouse.
        may_move_to_spark: whether Spark runs it where Polars' SQL cannot.
    """

    engine: str
    mode: ExecutionMode
    reasons: tuple[str, ...]
    inputs: Inputs
    vcpus: Vcpus | None = None
    on_warehouse: bool = False
    may_move_to_spark: bool = False

    @property
    def memory_gb(self) -> int | None:
        """Memory of the sandbox in GiB."""
        return self.vcpus * MEMORY_PER_VCPU // GIB if self.vcpus else None

    def moved_to_spark(self, why: str) -> Decision:
        """Return the decision after Polars could not run it.

        Args:
            why: the error that Polars reported.
        """
        reasons = (*self.reasons, f"Polars' SQL cannot run it, so Spark does: {why.rstrip('.')}.")
        return replace(
            self, engine=SPARK, mode=ExecutionMode.SUBMITTED, reasons=reasons, vcpus=None, may_move_to_spark=False
        )


def decide(question: Question) -> Decision:
    """Return which engine runs a query.

    Raises:
        BadRequest: the engine asked for cannot, or what was sent cannot be run so.
    """
    check_engine(question.requested, question.destination)
    return _DECISIONS[question.kind](question)


def check_engine(requested: str, destination: str | None) -> None:
    """Refuse an engine that there is not, or that cannot write.

    Raises:
        BadRequest: it is one of these.
    """
    if requested == BLOOM:
        raise BadRequest("The engine bloom is not available here; use auto, duckdb, polars or spark.")
    if requested not in (AUTO, DUCKDB, POLARS, SPARK):
        raise BadRequest(f"There is no engine {requested!r}; there are auto, duckdb, polars and spark.")
    if requested == DUCKDB and destination:
        raise BadRequest("duckdb cannot write to a destination; leave engine as auto, or use polars or spark.")


def _script(question: Question) -> Decision:
    if question.requested not in (AUTO, POLARS):
        raise BadRequest(f"A script runs on Polars; {question.requested} cannot run it.")
    return _polars(question, "A script is a program for Polars.")


def _query(question: Question) -> Decision:
    if question.destination is None:
        return _read(question)
    if question.requested == POLARS:
        _refuse_obstacle(question)
        return _polars(question, _asked(question))
    if question.requested == SPARK:
        return _application(question, _asked(question))
    if question.polars_obstacle:
        return _application(question, f"{question.polars_obstacle} Spark writes it.")
    if question.inputs.band is SizeBand.LARGE:
        return _application(question, "An input of this size is more than a sandbox is for, so Spark writes it.")
    return _polars(question, "An input of this size fits a sandbox, and Polars writes it there.", may_move=True)


def _read(question: Question) -> Decision:
    if question.requested == SPARK:
        raise BadRequest(
            "spark returns no rows: give a destination, or send a statement that writes; for rows use duckdb or polars."
        )
    if question.requested == POLARS:
        _refuse_obstacle(question)
        return _polars(question, _asked(question))
    if question.requested == AUTO and question.duckdb_obstacle:
        why = f"DuckDB cannot answer it as Spark would ({question.duckdb_obstacle.rstrip('.')}), so Spark does."
        return _statement(question, SPARK, why)
    if question.requested == DUCKDB:
        return _statement(question, DUCKDB, _asked(question))
    why = "It returns rows, and DuckDB on a warehouse is the quickest to return them."
    if question.inputs.band is SizeBand.LARGE:
        why = "It returns rows, which Spark does not, so DuckDB on a warehouse reads even an input of this size."
    return _statement(question, DUCKDB, why)


def _metadata(question: Question) -> Decision:
    if question.destination:
        raise BadRequest(f"Only a query can be written to a destination, and {question.command} is none.")
    if question.requested in (POLARS, SPARK):
        raise BadRequest(f"{question.command} is answered by a warehouse; use auto or duckdb.")
    return _statement(question, DUCKDB, f"{question.command} asks about names or plans, which a warehouse answers.")


def _write(question: Question) -> Decision:
    command = question.command
    if question.destination:
        raise BadRequest(f"{command} names the table that it writes itself; leave out destination, or send a query.")
    if question.requested in (DUCKDB, POLARS):
        raise BadRequest(f"{question.requested} only reads here: {command} runs on Spark; use auto or spark.")
    why = f"{command} changes tables, which Spark does"
    if question.is_warehouse_running:
        return _statement(question, SPARK, f"{why}: that of the warehouse that runs.")
    return _application(question, f"{why}: as a run of its own, for no warehouse runs.")


_DECISIONS = {QueryKind.SCRIPT: _script, QueryKind.READ: _query, QueryKind.METADATA: _metadata, QueryKind.WRITE: _write}


def _asked(question: Question) -> str:
    return f"The engine {question.requested} was asked for."


def _refuse_obstacle(question: Question) -> None:
    if question.polars_obstacle:
        raise BadRequest(question.polars_obstacle)


def _statement(question: Question, engine: str, why: str) -> Decision:
    reasons = (*question.inputs.sentences(), why)
    return Decision(engine, ExecutionMode.INLINE, reasons, question.inputs, on_warehouse=True)


def _application(question: Question, why: str) -> Decision:
    return Decision(SPARK, ExecutionMode.SUBMITTED, (*question.inputs.sentences(), why), question.inputs)


def _polars(question: Question, why: str, *, may_move: bool = False) -> Decision:
    vcpus = question.inputs.vcpus
    sandbox = f"The sandbox has {vcpus.value} vCPUs and {vcpus * MEMORY_PER_VCPU // GIB} GiB of memory."
    reasons = (*question.inputs.sentences(), why, sandbox)
    return Decision(POLARS, ExecutionMode.INLINE, reasons, question.inputs, vcpus=vcpus, may_move_to_spark=may_move)
