"""Queries of Spark SQL as DuckDB runs them: FROM first, so that the types of columns are known where they are used."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from icefield_sql.lang import planning_time
from icefield_sql.lang.timed import written
from icefield_sql.lang.types import BOOLEAN, VOID, Type, common, duckdb_name
from icefield_sql.targets.duckdb.errors import Untranslatable
from icefield_sql.targets.rewriting import put

from .argument import Argument, raw
from .scopes import Columns, FromItem, Scope, alias_columns, renamed
from .sources import lateral_view, table_function
from .values import Values, window_parts

MAX_JOINS = 100
"""In one FROM. DuckDB looks for the best order of all of them, which takes it a second for 100 and minutes for 300."""
_NEEDS_CAST = ("decimal", "tinyint", "smallint", "int", "float")


class Translator:
    """Translates queries in place; `tables` has the columns of the tables in FROM by the id of their node.

    `columns` are those of the last statement translated.
    """

    def __init__(self, tables: Mapping[int, Columns | None]) -> None:
        self.tables = tables
        self.values = Values(self)
        self.columns: Columns | None = None

    def statement(self, tree: exp.Expr) -> exp.Expr:
        """Translate a whole query, whose columns get Spark's types; return its replacement.

        Raises:
            Untranslatable: DuckDB is not known to answer as Spark does.
        """
        if isinstance(tree, exp.Values):
            tree = exp.select("*").from_(tree, copy=False)
        self.columns = self.query(tree, None, outermost=True)
        return tree

    def query(self, node: exp.Expr, scope: Scope | None, outermost: bool = False) -> Columns | None:
        """Translate a query in place, and return its columns."""
        planning_time.check()
        inner = Scope(scope, dict(scope.ctes) if scope else {})
        if with_ := node.args.get("with_"):
            self._with(with_, inner)
        if isinstance(node, exp.Select):
            return self._select(node, inner, outermost)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, inner)
        if isinstance(node, exp.Subquery | exp.Paren):
            columns = self.query(node.this, inner)
            self._tail(node, inner)
            return columns
        if isinstance(node, exp.Table):
            return self._source_columns(node, inner)
        raise Untranslatable(f"{type(node).__name__} as a query.")

    def _with(self, with_: exp.With, scope: Scope) -> None:
        for cte in with_.expressions:
            names = alias_columns(cte)
            if with_.args.get("recursive") and isinstance(cte.this, exp.Union):
                first = self.query(cte.this.this, scope)
                scope.ctes[cte.alias.lower()] = renamed(first, names)
                self.query(cte.this.expression, scope)
                continue
            scope.ctes[cte.alias.lower()] = renamed(self.query(cte.this, scope), names)

    def _select(self, node: exp.Select, scope: Scope, outermost: bool) -> Columns | None:
        for key in ("sort", "cluster", "distribute"):
            if node.args.get(key):
                raise Untranslatable(f"{key.upper()} BY is about Spark's partitions.")
        node.set("hint", None)
        self._from(node, scope)
        if where := node.args.get("where"):
            self._condition(where, scope)
        columns = self._projections(node, scope, outermost)
        self._grouping(node, scope)
        for key in ("having", "qualify"):
            if part := node.args.get(key):
                self._condition(part, scope)
        for window in node.args.get("windows") or []:
            window_parts(self.values, window, scope)
        if isinstance(distinct := node.args.get("distinct"), exp.Distinct) and distinct.args.get("on"):
            raise Untranslatable("DISTINCT ON.")
        self._tail(node, scope)
        return columns

    def _from(self, node: exp.Select, scope: Scope) -> None:
        if from_ := node.args.get("from_"):
            self._source(from_.this, scope)
        joins = node.args.get("joins") or []
        if len(joins) > MAX_JOINS:
            raise Untranslatable(f"DuckDB takes too long to plan more than {MAX_JOINS} joins.")
        for join in joins:
            self._source(join.this, scope)
            if on := join.args.get("on"):
                self.values.value(on, scope)
        for lateral in node.args.get("laterals") or []:
            node.append("joins", lateral_view(self.values, lateral, scope))
        node.set("laterals", None)

    def _source(self, node: exp.Expr, scope: Scope) -> None:
        """Translate something in FROM, and make its columns known."""
        if node.args.get("pivots"):
            raise Untranslatable("PIVOT.")
        if node.args.get("sample"):
            raise Untranslatable("TABLESAMPLE.")
        columns = self._source_columns(node, scope)
        scope.sources.append(FromItem(node.alias_or_name, renamed(columns, alias_columns(node))))
        for join in node.args.get("joins") or []:
            self._source(join.this, scope)
            if on := join.args.get("on"):
                self.values.value(on, scope)

    def _source_columns(self, node: exp.Expr, scope: Scope) -> Columns | None:
        if id(node) in self.tables:
            return self.tables[id(node)]
        if isinstance(node, exp.Table):
            return self._table(node, scope)
        if isinstance(node, exp.Subquery):
            around = Scope(None, dict(scope.ctes))
            if isinstance(node.this, exp.Table):
                self._source(node.this, scope)
                return ()
            return self.query(node.this, around)
        if isinstance(node, exp.Values):
            return self._values(node, scope)
        if isinstance(node, exp.Lateral):
            if isinstance(node.this, exp.Subquery):
                return self.query(node.this.this, Scope(scope, dict(scope.ctes)))
            raise Untranslatable("this LATERAL.")
        raise Untranslatable(f"{type(node).__name__} in FROM.")

    def _table(self, node: exp.Table, scope: Scope) -> Columns | None:
        if isinstance(node.this, exp.Values):
            return self._values(node.this, scope)
        if isinstance(node.this, exp.Anonymous):
            return table_function(self.values, node, scope)
        return scope.ctes.get(node.name.lower())

    def _values(self, node: exp.Values, scope: Scope) -> Columns:
        rows = []
        for row in node.expressions:
            items = row.expressions if isinstance(row, exp.Tuple) else [row]
            rows.append([self.values.value(item, scope) for item in list(items)])
        names = alias_columns(node) or [f"col{index + 1}" for index in range(len(rows[0]))]
        if not alias_columns(node):
            label = node.alias or "values"
            columns = [exp.to_identifier(name, quoted=True) for name in names]
            node.set("alias", exp.TableAlias(this=exp.to_identifier(label, quoted=True), columns=columns))
        kinds = [common([row[index].type for row in rows]) for index in range(len(names))]
        return tuple(zip(names, kinds, strict=True))

    def _projections(self, node: exp.Select, scope: Scope, outermost: bool) -> Columns | None:
        columns: list[tuple[str, Type | None]] = []
        known = True
        for item in list(node.expressions):
            if item.is_star:
                found = self._star(item, node, scope)
                known = known and found is not None
                columns += found or ()
                continue
            argument = self.values.value(item, scope)
            column = _named(argument, scope)
            if outermost:
                _typed(argument)
            columns.append((column, argument.type))
            scope.aliases.setdefault(column.lower(), argument.type)
        return tuple(columns) if known else None

    def _star(self, item: exp.Expr, node: exp.Select, scope: Scope) -> Columns | None:
        for join in node.args.get("joins") or []:
            if join.args.get("using") or join.method == "NATURAL":
                self._check_using(join, scope)
        star = item.this if isinstance(item, exp.Column) else item
        if star.args.get("replace") or star.args.get("rename"):
            raise Untranslatable("a star that renames or replaces.")
        left_out = {part.name.lower() for part in star.args.get("except_") or ()}
        label = item.table.lower() if isinstance(item, exp.Column) else None
        sources = [source for source in scope.sources if label is None or source.label.lower() == label]
        if any(source.columns is None for source in sources):
            return None
        return tuple(
            column for source in sources for column in source.columns or () if column[0].lower() not in left_out
        )

    def _check_using(self, join: exp.Join, scope: Scope) -> None:
        """Refuse `*` where Spark would put the columns of USING elsewhere than DuckDB does: it puts them first."""
        wanted = [part.name.lower() for part in join.args.get("using") or ()]
        first = scope.sources[0].columns
        if not wanted or first is None or [name.lower() for name, _ in first[: len(wanted)]] != wanted:
            raise Untranslatable("the order of columns of * after JOIN … USING.")

    def _condition(self, part: exp.Expr, scope: Scope) -> None:
        """Translate a condition, which in Spark has to be a boolean."""
        kind = self.values.child(part, "this", scope).type
        if kind not in (None, BOOLEAN, VOID):
            raise Untranslatable(f"a {kind} as a condition.")

    def _grouping(self, node: exp.Select, scope: Scope) -> None:
        group = node.args.get("group")
        if group is None:
            return
        for part in list(group.expressions):
            if isinstance(part, exp.Rollup | exp.Cube | exp.GroupingSets):
                self._grouping_set(part)
            elif not isinstance(part, exp.Var):
                self.values.value(part, scope)
        for key in ("rollup", "cube", "grouping_sets"):
            for nested in group.args.get(key) or []:
                self._grouping_set(nested)

    def _grouping_set(self, node: exp.Expr) -> None:
        for part in node.walk():
            allowed = exp.Column | exp.Identifier | exp.Tuple | exp.Paren | exp.Rollup | exp.Cube | exp.GroupingSets
            if not isinstance(part, allowed):
                raise Untranslatable("expressions in grouping sets.")

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> Columns | None:
        left = self.query(node.this, scope)
        right = self.query(node.expression, scope)
        if left is not None:
            scope.sources.append(FromItem("", left))
        self._tail(node, scope)
        if left is None or right is None or len(left) != len(right):
            return left
        return tuple((name, common([kind, right[index][1]])) for index, (name, kind) in enumerate(left))

    def _tail(self, node: exp.Expr, scope: Scope) -> None:
        """Translate ORDER BY; LIMIT and OFFSET are literals on both engines."""
        if order := node.args.get("order"):
            for ordered in order.expressions:
                if not isinstance(ordered.this, exp.Var):
                    self.values.child(ordered, "this", scope)
        for key in ("limit", "offset"):
            part = node.args.get(key)
            if part is not None and not isinstance(part.expression, exp.Literal | exp.Var):
                self.values.child(part, "expression", scope)


def _named(argument: Argument, scope: Scope) -> str:
    """Return the name of a projection: a column keeps the case in which it is written."""
    node = argument.node
    if isinstance(node, exp.Alias):
        return node.alias
    if isinstance(node, exp.Column):
        parts = [part.name for part in node.parts]
        found = scope.column(parts[-1], parts[-2] if len(parts) > 1 else None)
        if found is None or found[0] != parts[-1]:
            alias = exp.Alias(alias=exp.to_identifier(parts[-1], quoted=True))
            put(node, alias)
            alias.set("this", node)
        return parts[-1]
    return node.alias_or_name


def _typed(argument: Argument) -> None:
    """Give a projection of the outermost query Spark's type, where DuckDB's own may be wider."""
    node = argument.node
    if not isinstance(node, exp.Alias) or argument.type is None or argument.type.kind not in _NEEDS_CAST:
        return
    if isinstance(node.this, exp.Column | exp.Literal):
        return
    text = written(node.this, "duckdb", normalize_functions=False, comments=False)
    name = duckdb_name(argument.type)
    if text.startswith("CAST(") and text.endswith(f" AS {name})") and text.count("CAST(") == 1:
        return
    node.set("this", raw(f"CAST({text} AS {name})"))
