"""Names of unaliased projections: as in PostgreSQL (FigureColname in its parser), on both engines."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from icefield_sql.lang import planning_time
from icefield_sql.lang.functions import GENERATORS
from icefield_sql.lang.timed import written

UNNAMED = "?column?"

_NAMED = {
    exp.Exists: "exists",
    exp.Extract: "extract",
    exp.Trim: "trim",
    exp.Substring: "substring",
    exp.StrPosition: "position",
    exp.Overlay: "overlay",
    exp.CurrentDate: "current_date",
    exp.CurrentTimestamp: "current_timestamp",
}
_TRANSPARENT = (exp.Paren, exp.Window, exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.Bracket)


def implicit_name(node: exp.Expr) -> str:
    """Return the name that PostgreSQL gives a projection without an alias."""
    return _name(node)[0] or UNNAMED


def unnamed(tree: exp.Expr) -> Iterator[tuple[exp.Select, exp.Expr]]:
    """Yield the projections of a statement that have no name of their own and are given one.

    Those of subqueries inside expressions are left out: their names are not visible.
    """
    known: dict[int, bool] = {}
    for select in planning_time.checked(tree.find_all(exp.Select)):
        if _is_in_expression(select, known):
            continue
        for node in select.expressions:
            if (
                not isinstance(node, exp.Alias | exp.Aliases | exp.Column | exp.Star | exp.PropertyEQ)
                and not node.is_star
            ):
                planning_time.check()
                yield select, node


def output_names(tree: exp.Expr) -> list[str | None]:
    """Return what a query calls its columns, in order; None for what stands for any number of them, such as `*`."""
    while isinstance(tree, exp.SetOperation | exp.Subquery | exp.Paren):
        tree = tree.this
    if isinstance(tree, exp.Values):
        first = tree.expressions[0]
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        return [f"col{index + 1}" for index in range(width)]
    if not isinstance(tree, exp.Select):
        return [None]
    return [name for node in tree.expressions for name in _output_names(node)]


def _output_names(node: exp.Expr) -> list[str | None]:
    if isinstance(node, exp.Aliases):
        return [alias.name for alias in node.expressions]
    is_star = node.is_star or (isinstance(node, exp.Dot) and isinstance(node.expression, exp.Star))
    if is_star or isinstance(node, exp.PropertyEQ) or is_generator(node):
        return [None]
    return [node.alias if isinstance(node, exp.Alias) else implicit_name(node)]


def is_generator(node: exp.Expr) -> bool:
    """Return whether a projection makes rows, and columns that Spark names itself (`col`, or `key` and `value`)."""
    return isinstance(node, exp.Anonymous) and node.name.lower() in GENERATORS


class Hidden:
    """The columns in ORDER BY that the aliases of projections would hide: Spark looks for them in FROM."""

    def __init__(self) -> None:
        self._columns: dict[int, dict[str, list[exp.Column]]] = {}

    def by(self, select: exp.Select, node: exp.Expr, name: str) -> list[exp.Column]:
        """Return those that a projection would hide; none for a cast, which Spark itself calls what it casts."""
        if select.args.get("order") is None or isinstance(node, exp.Cast):
            return []
        if id(select) not in self._columns:
            self._columns[id(select)] = _ordering_columns(select)
        return self._columns[id(select)].get(name.lower(), [])


def _ordering_columns(select: exp.Select) -> dict[str, list[exp.Column]]:
    """Return the bare columns in ORDER BY by their names in lower case."""
    found: dict[str, list[exp.Column]] = {}
    for column in planning_time.checked(select.args["order"].find_all(exp.Column)):
        if not column.table:
            found.setdefault(column.name.lower(), []).append(column)
    return found


def only_source(select: exp.Select) -> str | None:
    """Return what the columns of a query's only source can be qualified with; None when it has several or no name."""
    from_ = select.args.get("from_")
    if from_ is None or select.args.get("joins") or select.args.get("laterals"):
        return None
    return from_.this.alias_or_name or None


def _is_in_expression(select: exp.Expr, known: dict[int, bool]) -> bool:
    """Return whether a query is part of an expression; `known` has the answers for nodes, by their ids.

    Without it, a UNION of thousands would be climbed from each of its queries.
    """
    path, node = [], select
    while id(node) not in known and isinstance(node.parent, exp.Subquery | exp.SetOperation | exp.Paren):
        path.append(id(node))
        node = node.parent
    if id(node) not in known:
        known[id(node)] = _stands_in_expression(node)
    known.update(dict.fromkeys(path, known[id(node)]))
    return known[id(node)]


def _stands_in_expression(node: exp.Expr) -> bool:
    if isinstance(node.parent, exp.From | exp.Join | exp.Lateral) or node.parent is None:
        return False
    if isinstance(node.parent, exp.CTE | exp.Merge | exp.Insert | exp.Create | exp.Table):
        return False
    return not isinstance(node, exp.Subquery) or not isinstance(node.parent, exp.Table)


def _name(node: exp.Expr) -> tuple[str | None, int]:
    """Return a name and how strongly it holds: 2 for names, 1 for a CASE or a type, 0 for none."""
    cast: exp.Cast | None = None
    while isinstance(node, (*_TRANSPARENT, exp.Cast)):
        if cast is None and isinstance(node, exp.Cast):
            cast = node
        node = node.this
    name, strength = _own_name(node)
    if cast is None or strength > 1:
        return name, strength
    return written(cast.to, "spark").split("(")[0].split("<")[0].lower(), 1


def _own_name(node: exp.Expr) -> tuple[str | None, int]:
    if isinstance(node, exp.Column | exp.Dot):
        return (node.name or None, 2) if not isinstance(node, exp.Dot) else (node.expression.name, 2)
    if isinstance(node, exp.Anonymous):
        return ("col" if is_generator(node) else node.name.lower()), 2
    if isinstance(node, exp.Case):
        default = node.args.get("default")
        name, strength = _name(default) if default is not None else (None, 0)
        return (name, strength) if strength > 1 else ("case", 1)
    if isinstance(node, exp.Subquery):
        return _name_of_query(node.this)
    for kind, name in _NAMED.items():
        if isinstance(node, kind):
            return name, 2
    return None, 0


def _name_of_query(query: exp.Expr) -> tuple[str | None, int]:
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    if isinstance(query, exp.Select) and query.expressions:
        first = query.expressions[0]
        return (first.alias, 2) if first.alias else _name(first)
    return None, 0
