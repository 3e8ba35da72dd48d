"""What a statement may contain: an allow-list of kinds, of parts of the syntax tree, and of functions.

Everything else is refused: what is new in sqlglot or in an engine stays refused until it is reviewed.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from icefield_sql.lang import functions, planning_time
from icefield_sql.lang.equivalents import FUNCTIONS
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.suggestions import did_you_mean

from . import duckdb_functions as duckdb
from .files.model import FUNCTIONS as FILE_FUNCTIONS

_QUERY = (
    exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Qualify, exp.Order, exp.Ordered, exp.Limit,
    exp.Offset, exp.Fetch, exp.With, exp.CTE, exp.TableAlias, exp.Table, exp.Subquery, exp.Union, exp.Except,
    exp.Intersect, exp.Values, exp.Tuple, exp.Lateral, exp.Distinct, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Pivot,
    exp.PivotAlias, exp.UnpivotColumns, exp.TableSample, exp.Version, exp.Window, exp.WindowSpec, exp.Hint, exp.Sort,
    exp.Cluster, exp.Distribute, exp.Star, exp.Alias, exp.Aliases, exp.PropertyEQ,
)  # fmt: skip
_VALUE = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.HexString, exp.RawString, exp.Var, exp.Paren,
    exp.Dot, exp.Bracket, exp.Slice, exp.Lambda, exp.Kwarg, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam,
    exp.ColumnDef, exp.Interval, exp.IntervalSpan, exp.Case, exp.If, exp.Extract, exp.Trim, exp.Substring,
    exp.StrPosition, exp.Overlay, exp.CurrentDate, exp.CurrentTimestamp, exp.Anonymous, exp.Filter, exp.WithinGroup,
    exp.IgnoreNulls, exp.RespectNulls, exp.Escape, exp.Placeholder, exp.Concat, exp.ColumnConstraint,
    exp.NotNullColumnConstraint,
)  # fmt: skip
_OPERATOR = (
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT,
    exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike,
    exp.RegexpLike, exp.Any, exp.All, exp.Exists, exp.DPipe, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor,
    exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift,
)  # fmt: skip
_CHANGE = (exp.Update, exp.Delete, exp.Merge, exp.Whens, exp.When, exp.Insert)

_NODES = frozenset((*_QUERY, *_VALUE, *_OPERATOR, *_CHANGE))


def check(tree: exp.Expr, text: str, own: bool = False) -> None:
    """Refuse a tree that has a part or a function that is not allowed.

    Args:
        tree: the tree.
        text: what it was parsed from.
        own: whether that is DuckDB's own SQL.

    Raises:
        SqlError: it has one; the sentence names the first.
    """
    nodes = _NODES | duckdb.NODES if own else _NODES
    for node in planning_time.checked(tree.walk()):
        try:
            if type(node) not in nodes:
                raise SqlError(_unknown(node, text))
            if isinstance(node, exp.Anonymous):
                _function(node, own)
            elif (rule := _RULES.get(type(node))) is not None:
                rule(node)
        except SqlError as error:
            span = _span(node)
            raise SqlError(error.sentence, span[0] if span and error.at is None else error.at) from None


def _span(node: exp.Expr) -> tuple[int, int] | None:
    """Return the first and last position in the text of what is known of a node; None where nothing is."""
    known = [part.meta for part in planning_time.checked(node.walk()) if "start" in part.meta]
    return (min(meta["start"] for meta in known), max(meta["end"] for meta in known)) if known else None


def _unknown(node: exp.Expr, text: str) -> str:
    if isinstance(node, exp.CurrentUser | exp.SessionUser | exp.CurrentRole):
        return f"The function {node.sql_name().lower()} is not supported."
    if (sentence := _NOT_SPARK.get(type(node))) is not None:
        return sentence
    if isinstance(node, exp.Func):
        return f"The function {node.sql_name().lower()} is not supported."
    span = _span(node)
    return f"This part of the statement is not supported{': ' + text[span[0] : span[1] + 1][:80] if span else ''}."


_PARAMETERS = "Parameters are written ? or :name, with their values in params."
_NOT_SPARK: dict[type[exp.Expr], str] = {
    exp.Unnest: "UNNEST is not Spark SQL; use LATERAL VIEW explode(…).",
    exp.Array: "Brackets make no array; write array(1, 2). A name is quoted as `name`.",
    exp.Struct: "Braces make no struct; write named_struct('a', 1), or map('a', 1).",
    exp.Parameter: _PARAMETERS,
    exp.SessionParameter: _PARAMETERS,
    exp.LimitOptions: "FETCH FIRST is not Spark SQL; write LIMIT at the end.",
}


def _function(node: exp.Expr, own: bool) -> None:
    name = node.name.lower()
    if isinstance(node.this, exp.Expr) and not isinstance(node.this, exp.Identifier):
        raise SqlError("A function is called by its plain name.")
    is_table = isinstance(node.parent, exp.Table | exp.Lateral)
    tables, scalars = (
        (duckdb.TABLE_FUNCTIONS, duckdb.ALLOWED) if own else (functions.TABLE_FUNCTIONS, functions.ALLOWED)
    )
    if name in FILE_FUNCTIONS:
        if not isinstance(node.parent, exp.Table):
            raise SqlError(f"{name} is a table function: it stands in FROM.")
        return
    if is_table and name not in tables:
        raise SqlError(f"The table function {name} is not supported{_instead(name, tables, own)}")
    if not is_table and name not in scalars:
        raise SqlError(f"The function {name} is not supported{_instead(name, scalars, own)}")


def _instead(name: str, known: frozenset[str], own: bool) -> str:
    """Return the end of the sentence about an unknown function: what is written in its place."""
    if not own and (equivalent := FUNCTIONS.get(name)):
        return f"; write {equivalent}."
    if name in _LEFT_OUT_OF_SPARK:
        return "."
    end = did_you_mean(name, sorted(known))
    return "; SHOW FUNCTIONS lists those that are." if end == "." and not own else end


_LEFT_OUT_OF_SPARK = frozenset(
    {
        "current_catalog", "current_database", "current_schema", "current_user", "from_avro", "from_protobuf",
        "from_xml", "input_file_name", "java_method", "reflect", "session_user", "to_avro", "to_protobuf", "to_xml",
        "try_reflect", "user", "version", "xpath",
    }
)  # fmt: skip
"""Functions of Spark that look beyond the data that a statement names."""


def _dot(node: exp.Expr) -> None:
    if isinstance(node.args.get("expression"), exp.Func) or (isinstance(node.this, exp.Func) and _is_call_of(node)):
        raise SqlError("Functions are called by a plain name, without a database or catalog.")


def _is_call_of(node: exp.Expr) -> bool:
    return isinstance(node.args.get("expression"), exp.Anonymous)


def _table(node: exp.Expr) -> None:
    for key in ("only", "partition", "hints", "changes", "rows_from", "when", "indexed", "ordinality", "system_time"):
        if node.args.get(key):
            hint = "; no read waits for a lock here" if key == "hints" else ""
            raise SqlError(f"This part of FROM is not supported: {key.replace('_', ' ')}{hint}.")
    if not isinstance(node.this, exp.Identifier | exp.Dot | exp.Anonymous | exp.Values | exp.Subquery):
        raise SqlError("A table is named by its name; files and expressions are not tables here.")
    parts = node.parts if isinstance(node, exp.Table) else []
    if isinstance(node.this, exp.Dot) and not all(isinstance(part, exp.Identifier) for part in parts):
        raise SqlError("A table is named by its name; files and expressions are not tables here.")


def _select(node: exp.Expr) -> None:
    if node.args.get("into"):
        raise SqlError("SELECT … INTO is not supported; use CREATE TABLE … AS SELECT, or INSERT INTO … SELECT.")
    if node.args.get("locks"):
        raise SqlError("FOR UPDATE and FOR SHARE are not supported: no read waits for a lock here.")
    if node.args.get("match") or node.args.get("prewhere"):
        raise SqlError("MATCH_RECOGNIZE and PREWHERE are not supported.")


def _placeholder(node: exp.Expr) -> None:
    raise SqlError("The statement has a parameter, but the request gives no params.")


def _insert(node: exp.Expr) -> None:
    if not isinstance(node.parent, exp.When):
        raise SqlError("INSERT is not allowed here; write INSERT INTO … WITH … SELECT.")


def _outermost(node: exp.Expr) -> None:
    if node.parent is not None:
        raise SqlError(f"{node.key.upper()} can only be a whole statement.")


def _update(node: exp.Expr) -> None:
    if not isinstance(node.parent, exp.When):
        _outermost(node)
    if node.args.get("from_") or node.args.get("returning"):
        raise SqlError("UPDATE … FROM and RETURNING are not supported; use MERGE INTO.")


def _delete(node: exp.Expr) -> None:
    _outermost(node)
    if node.args.get("using") or node.args.get("returning") or node.args.get("tables"):
        raise SqlError("DELETE … USING and RETURNING are not supported; use MERGE INTO.")


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.Dot: _dot,
    exp.Table: _table,
    exp.Select: _select,
    exp.Placeholder: _placeholder,
    exp.Insert: _insert,
    exp.Update: _update,
    exp.Delete: _delete,
    exp.Merge: _outermost,
}
