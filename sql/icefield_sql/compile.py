"""The last step of the plan: which engine runs a statement, and its text for that engine.

Planning a statement keeps a processor busy for at most three seconds in all, and mostly for some milliseconds: one to
read its text (parse.PARSE_SECONDS), one for the texts of all views that it reads (resolve.VIEWS_SECONDS), and one to
compile it; what the catalog takes is not counted. Each may be cut short by planning_time.limited_to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from .analysis.column_lineage import column_lineage
from .analysis.expansion import check_views
from .analysis.model import Compiled, Engine, Kind, Table, View
from .analysis.references import check_references, snapshot_at
from .analysis.resolve import Resolved, meant, needed_by, not_found, table_meant
from .analysis.scoping import TableRef
from .analysis.sources import sources_of
from .analysis.statement import Show, Statement
from .analysis.timetravel import NotConstant, snapshot_of
from .analysis.widths import check_widths
from .lang import planning_time
from .lang.errors import SqlError, UnresolvedName
from .lang.names import TableName
from .show.functions import function_rows
from .show.rows import to_rows
from .targets.duckdb.errors import Untranslatable
from .targets.duckdb.files import compiled_export
from .targets.duckdb.insert import to_append
from .targets.duckdb.query import to_duckdb
from .targets.duckdb.translation.calls import ON_DUCKDB
from .targets.spark.statement import to_spark

COMPILE_SECONDS = 1.0
"""How long one statement may be compiled, its translation included, in the time of its thread."""
TRANSLATION_SECONDS = 0.5
"""How long of that it may be translated into DuckDB's SQL; what takes longer runs on Spark."""
_OBSTACLES: dict[type[Exception], str] = {
    RecursionError: "it nests too deep.",
    planning_time.OutOfTimeError: "its translation takes too long.",
}
Choice = Engine | Literal["auto", "duckdb", "spark"]


def compile(  # noqa: A001 - the word for it
    resolved: Resolved, engine: Choice = "auto", row_limit: int | None = None
) -> Compiled:
    """Return a statement written for the engine that runs it.

    Args:
        resolved: the statement with what the catalog has.
        engine: `auto` for DuckDB where it reads the same as Spark, else Spark; or the one to use.
        row_limit: how many rows are wanted at most; one more is asked for, which tells that there are more.

    Raises:
        UnresolvedName: it names something the catalog does not have.
        TakesTooLong: compiling it takes more than a second of its thread's time, or than its caller has left.
        SqlError: the engine asked for cannot run it.
    """
    # Before the time for compiling begins, and before a translation changes the tree: no statement fails because of it.
    columns = column_lineage(resolved)
    with planning_time.refused_after(COMPILE_SECONDS):
        compiled = _compiled(resolved, engine, row_limit)
    return replace(compiled, columns=columns) if columns else compiled


def _compiled(resolved: Resolved, engine: Choice, row_limit: int | None) -> Compiled:
    statement = resolved.statement
    if statement.kind in (Kind.TRANSACTION, Kind.GRANT):
        return Compiled(Engine.DUCKDB, "", False)
    if statement.show is not None:
        return Compiled(Engine.DUCKDB, _shown(resolved, statement.show), False)
    if statement.explained is not None:
        return _explain(resolved, statement.explained, engine)
    check_names(statement, resolved)
    if statement.export and engine == Engine.SPARK:
        raise SqlError("COPY … TO runs on DuckDB; leave out engine, or set it to duckdb.")
    if statement.file_reads and engine == Engine.SPARK:
        raise SqlError(f"{statement.file_reads[0].function} is a function of DuckDB; leave out engine.")
    if statement.kind is Kind.WRITE:
        return _write_statement(resolved, statement, engine)
    return _read_statement(resolved, statement, engine, None if row_limit is None else row_limit + 1)


def _write_statement(resolved: Resolved, statement: Statement, engine: Choice) -> Compiled:
    reads, sources = tables_read(resolved), sources_of(resolved)
    writes = tuple(table_meant(name, resolved) for name in statement.writes)
    if engine != Engine.SPARK:
        try:
            with planning_time.limited_to(TRANSLATION_SECONDS):
                text, append, literals = to_append(resolved, statement)
            files = _paths_read(statement)
            return Compiled(
                Engine.DUCKDB,
                text,
                True,
                reads,
                writes,
                sources=sources,
                files=files,
                append=append,
                literals=literals,
            )
        except (Untranslatable, RecursionError, planning_time.OutOfTimeError) as error:
            planning_time.check()
            if engine == Engine.DUCKDB or statement.file_reads:
                reason = _OBSTACLES.get(type(error)) or error
                raise SqlError(f"DuckDB cannot write this as Spark would: {reason}") from None
    return Compiled(Engine.SPARK, to_spark(resolved, statement), True, reads, writes, sources=sources)


def _shown(resolved: Resolved, show: Show) -> str:
    if show.what == "functions":
        return function_rows(show.pattern, ON_DUCKDB)
    return to_rows(resolved, show)


def _read_statement(resolved: Resolved, statement: Statement, engine: Choice, limit: int | None) -> Compiled:
    warnings: tuple[str, ...] = ()
    if statement.dialect == "duckdb":
        engine = _only_duckdb(engine)
    if engine != Engine.SPARK:
        try:
            with planning_time.limited_to(TRANSLATION_SECONDS):
                text = to_duckdb(resolved, statement, limit)
            export = compiled_export(statement.export) if statement.export else None
            files = _paths_read(statement)
            return Compiled(Engine.DUCKDB, text, False, tables_read(resolved), files=files, export=export)
        except (Untranslatable, RecursionError, planning_time.OutOfTimeError) as error:
            planning_time.check()  # the time may be over that all of it has
            reason = _OBSTACLES.get(type(error)) or error
            if engine == Engine.DUCKDB or statement.file_reads or statement.export:
                raise SqlError(f"DuckDB cannot answer this as Spark would: {reason}") from None
            warnings = (f"Runs on Spark: {reason}",)
    return Compiled(Engine.SPARK, to_spark(resolved, statement, limit), False, tables_read(resolved), warnings=warnings)


def _paths_read(statement: Statement) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path.text for read in statement.file_reads for path in read.paths))


def _only_duckdb(engine: Choice) -> Choice:
    if engine == Engine.SPARK:
        raise SqlError("A statement in DuckDB's dialect cannot run on Spark.")
    return Engine.DUCKDB


def _explain(resolved: Resolved, explained: Statement, engine: Choice) -> Compiled:
    inner = _compiled(replace(resolved, statement=explained), engine, None)
    return Compiled(inner.engine, f"EXPLAIN {inner.sql}", False, warnings=inner.warnings)


def check_names(statement: Statement, resolved: Resolved) -> None:
    """Refuse a statement that names what is not there, or a view that cannot be read.

    Raises:
        UnresolvedName: it names what is not there.
        SqlError: a view in it is not allowed, views have no end, or a query has too many columns.
    """
    for ref in statement.found.tables:
        if (needed := needed_by(ref, resolved)) not in resolved.objects:
            raise not_found(needed, resolved, ref.span[0])
    for name in (table_meant(name, resolved) for name in statement.must_exist):
        if name not in resolved.objects:
            raise not_found(name, resolved)
        if isinstance(resolved.objects[name], View):
            raise UnresolvedName("EXPECT_TABLE_NOT_VIEW", f"{name} is a view; {statement.command} takes a table.")
    check_references(statement, resolved)
    check_views(statement, resolved)
    check_widths(statement, resolved)


def tables_read(resolved: Resolved) -> tuple[tuple[TableName, int | None], ...]:
    """Return the tables and views read, those inside views included, with the snapshot of each."""
    statement = resolved.statement
    seen: dict[tuple[TableName, int | None], None] = {}
    pending = [statement]
    done: set[TableName] = set()
    while pending:
        current = pending.pop(0)
        for ref in current.found.tables:
            if ref.written:
                continue
            name = meant(ref, resolved)
            seen[(name, _snapshot(ref, resolved, name))] = None
            if name in resolved.views and name not in done:
                done.add(name)
                pending.append(resolved.views[name])
    return tuple(seen)


def _snapshot(ref: TableRef, resolved: Resolved, name: TableName) -> int | None:
    found = resolved.objects.get(name)
    if not isinstance(found, Table):
        return None
    version = ref.node.args.get("version")
    if version is None:
        return snapshot_at(ref, found, resolved)
    try:
        return snapshot_of(version, found, name)
    except NotConstant:
        return None
