"""A read for DuckDB: metadata files in place of names, views in place, Spark's semantics spelled out."""

from __future__ import annotations

from sqlglot import exp

from icefield_sql.analysis.files.calls import FileRef
from icefield_sql.analysis.files.model import FileSet
from icefield_sql.analysis.model import Table, View
from icefield_sql.analysis.projections import Hidden, implicit_name, only_source, unnamed
from icefield_sql.analysis.references import snapshot_at
from icefield_sql.analysis.resolve import Resolved, is_metadata, meant, reference_of
from icefield_sql.analysis.scoping import ColumnRef, Found, TableRef, find
from icefield_sql.analysis.statement import Statement
from icefield_sql.analysis.timetravel import NotConstant, snapshot_of
from icefield_sql.analysis.views import ViewColumns, columns_of
from icefield_sql.lang import planning_time
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.timed import written
from icefield_sql.lang.types import Type, parse_type
from icefield_sql.targets.rewriting import can_limit, put

from .errors import Untranslatable
from .files import typed_query
from .translation.argument import raw
from .translation.queries import Translator
from .translation.scopes import Columns, renamed


def to_duckdb(resolved: Resolved, statement: Statement, row_limit: int | None = None) -> str:
    """Return a query in DuckDB's SQL.

    Raises:
        Untranslatable: DuckDB would not answer it as Spark does.
        UnresolvedName: a snapshot cannot be found.
    """
    tree, _ = tree_and_columns(resolved, statement)
    if row_limit is not None and can_limit(tree):
        tree = tree.limit(row_limit, copy=False)  # type: ignore[attr-defined]
    return written(tree, "duckdb", copy=False, comments=False, normalize_functions=False)


def tree_and_columns(resolved: Resolved, statement: Statement) -> tuple[exp.Expr, Columns | None]:
    """Return the query of a statement as a tree of DuckDB's SQL, and its columns where they are known.

    Raises:
        Untranslatable: DuckDB would not answer it as Spark does.
        UnresolvedName: a snapshot cannot be found.
    """
    return _Tables(resolved).expand(statement)


class _Tables:
    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved

    def expand(self, statement: Statement) -> tuple[exp.Expr, Columns | None]:
        """Return a statement's tree with everything in it that DuckDB does not know replaced, and its columns."""
        assert statement.tree is not None  # noqa: S101 - reads have one
        tree, found = _copy(statement)
        for column in found.columns:
            _shorten(column)
        _name_projections(tree)
        columns: dict[int, Columns | None] = {}
        for ref in found.tables:
            scan, columns_of = self.scan(ref)
            for key in ("joins", "sample", "pivots"):
                scan.set(key, ref.node.args.get(key))
            ref.node.replace(scan)
            columns[id(scan)] = columns_of
        for file in found.files:
            scan, columns_of = _file_scan(file, self.resolved.files[file.read])
            scan.set("joins", file.node.args.get("joins"))
            file.node.replace(scan)
            columns[id(scan)] = columns_of
        if statement.dialect == "duckdb":
            return tree, None
        translator = Translator(columns)
        tree = translator.statement(tree)
        return tree, translator.columns

    def scan(self, ref: TableRef) -> tuple[exp.Expr, Columns | None]:
        """Return the scan that replaces a table in FROM, and its columns (None: not known)."""
        if is_metadata(ref, self.resolved):
            raise Untranslatable(f"{ref.name} is a metadata table of Iceberg.")
        found = self.resolved.objects[meant(ref, self.resolved)]
        given = ref.node.args.get("alias")
        alias = given.copy() if given is not None and given.this else None
        alias = alias or exp.TableAlias(this=exp.to_identifier(ref.label or ref.name.name, quoted=True))
        if isinstance(found, Table):
            snapshot = _snapshot(ref, found, self.resolved)
            source, columns = _scan(found, snapshot), _columns(found, snapshot)
        else:
            source, columns = self._view(ref, found, alias)
        source.set("alias", alias)
        return source, columns

    def _view(self, ref: TableRef, view: View, alias: exp.TableAlias) -> tuple[exp.Expr, Columns | None]:
        """Return the query of a view in parentheses with the columns that it yields; the alias may name them."""
        inner = self.resolved.views[ref.name]
        query, columns = self.expand(inner)
        yielded = columns_of(view, inner)
        if yielded is None:
            return exp.Subquery(this=query), columns
        if yielded.sources is not None:
            return _chosen(query, columns, yielded, yielded.sources)
        if columns is None or len(columns) != len(yielded.names):
            raise Untranslatable(f"the view {ref.name} has other columns than it was made with.")
        if not alias.args.get("columns"):
            alias.set("columns", [exp.to_identifier(name, quoted=True) for name in yielded.names])
        return exp.Subquery(this=query), renamed(columns, yielded.names)


def _name_projections(tree: exp.Expr) -> None:
    hidden = Hidden()
    for select, node in planning_time.checked(list(unnamed(tree))):
        name, label = implicit_name(node), only_source(select)
        columns = hidden.by(select, node, name)
        if columns and label is None:
            continue
        for column in columns:
            column.set("table", exp.to_identifier(label, quoted=True))
        alias = exp.Alias(alias=exp.to_identifier(name, quoted=True))
        put(node, alias)
        alias.set("this", node)


def _snapshot(ref: TableRef, table: Table, resolved: Resolved) -> int | None:
    """Return the snapshot that is read, where that is not the current one; 0 for a table that was empty then.

    Raises:
        Untranslatable: it is not known here, or has other columns than Spark reads it with.
    """
    version = ref.node.args.get("version")
    is_reference = reference_of(ref, resolved) is not None
    if version is None and not is_reference:
        return None
    try:
        snapshot = snapshot_at(ref, table, resolved) if version is None else snapshot_of(version, table, ref.name)
    except NotConstant:
        raise Untranslatable("the snapshot asked for is not a literal.") from None
    if (is_reference or (version and version.expression.name in table.refs)) and not _has_current_schema(
        table, snapshot
    ):
        raise Untranslatable("the columns of the table have changed since the branch's last change.")
    return snapshot or 0


def _has_current_schema(table: Table, snapshot: int | None) -> bool:
    return {each.id: each.schema_id for each in table.snapshots}.get(snapshot or 0) == table.schema_id


def _scan(table: Table, snapshot: int | None) -> exp.Expr:
    arguments: list[exp.Expr] = [exp.Literal.string(table.metadata_location)]
    if snapshot is not None:
        arguments.append(exp.Kwarg(this=exp.var("snapshot_from_id"), expression=exp.Literal.number(snapshot)))
    return exp.Table(this=exp.Anonymous(this="iceberg_scan", expressions=arguments))


def _file_scan(ref: FileRef, found: FileSet) -> tuple[exp.Expr, Columns]:
    """Return what reads files in FROM, and its columns."""
    for key in ("sample", "pivots", "version"):
        if ref.node.args.get(key):
            raise SqlError(f"{ref.read.function} cannot have {key.upper()} beside it; put it into a subquery.")
    given = ref.node.args.get("alias")
    alias = given.copy() if given is not None and given.this else None
    alias = alias or exp.TableAlias(this=exp.to_identifier(ref.label, quoted=True))
    source = exp.Subquery(this=raw(typed_query(ref.read, found)), alias=alias)
    return source, tuple((column.name, _type(column.type)) for column in found.columns)


def _columns(found: Table, snapshot: int | None) -> Columns | None:
    """Return the columns of what is read, or None when those of an older snapshot may be others."""
    if snapshot is not None and not _has_current_schema(found, snapshot):
        return None
    return tuple((column.name, _type(column.type)) for column in found.columns) or None


def _type(name: str) -> Type | None:
    """Return a column's type; None for one that Spark SQL has no name for, such as Iceberg's `time`."""
    try:
        return parse_type(name)
    except SqlError:
        return None


def _chosen(
    query: exp.Expr, columns: Columns | None, yielded: ViewColumns, sources: tuple[str, ...]
) -> tuple[exp.Expr, Columns | None]:
    """Return what selects a view's columns from its query by their names there, and the columns."""
    if columns is not None and tuple(name for name, _ in columns) == sources == yielded.names:
        return exp.Subquery(this=query), columns
    types = {name.lower(): kind for name, kind in columns or ()}
    pairs = tuple(zip(yielded.names, sources, strict=True))
    listed = [
        exp.alias_(exp.column(exp.to_identifier(source, quoted=True)), name, quoted=True) for name, source in pairs
    ]
    around = exp.select(*listed).from_(exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier("_v"))))
    return exp.Subquery(this=around), tuple((name, types.get(source.lower())) for name, source in pairs)


def _copy(statement: Statement) -> tuple[exp.Expr, Found]:
    """Return a copy of a statement's tree with what was found in it, found in the copy."""
    assert statement.tree is not None  # noqa: S101
    tree = statement.tree.copy()
    return tree, find(tree, statement.names)


def _shorten(column: ColumnRef) -> None:
    """Make a column that names its table with its database name it by its label."""
    label = exp.to_identifier(column.ref.label or column.ref.name.name, quoted=True)
    if isinstance(column.node.this, exp.Star):
        put(column.node, exp.Column(this=column.node.this.copy(), table=label))
        return
    first, *fields = column.parts[column.length :]
    short: exp.Expr = exp.Column(this=first.copy(), table=label)
    for part in fields:
        short = exp.Dot(this=short, expression=part.copy())
    put(column.node, short)
