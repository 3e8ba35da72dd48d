"""Calls of read_csv, read_parquet and read_json in FROM: literals only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.file_paths import read_path

from .model import FUNCTIONS, FileRead, Value
from .options import options_of

MAX_PATHS = 1000
_LITERALS = "Arguments of {name} are literals: the path or array(…) of paths, and options as in header => true."


@dataclass(frozen=True)
class FileRef:
    """A place where a statement reads files; `label` is what its columns are qualified with."""

    node: exp.Table
    read: FileRead
    label: str


def is_file_call(node: exp.Expr) -> bool:
    """Return whether a node in FROM reads files."""
    return isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous) and node.this.name.lower() in FUNCTIONS


def file_ref(node: exp.Table) -> FileRef:
    """Return what a call in FROM reads.

    Raises:
        SqlError: an argument is no literal, a path means no file of a workspace, or an option is unknown.
    """
    call = node.this
    name = call.name.lower()
    first, *rest = call.expressions or [None]
    paths = _texts(first)
    if not paths or len(paths) > MAX_PATHS:
        raise SqlError(_LITERALS.format(name=name))
    given: dict[str, Value] = {}
    for argument in rest:
        option, value = _option(argument, name)
        if option.lower() in {key.lower() for key in given}:
            raise SqlError(f"The option {option} of {name} is given twice.")
        given[option] = value
    kind = FUNCTIONS[name]
    read = FileRead(kind, tuple(read_path(path) for path in paths), options_of(kind, given))
    return FileRef(node, read, node.alias or name)


def _option(argument: exp.Expr, name: str) -> tuple[str, Value]:
    """Return an option: `header => true`, or DuckDB's `header = true`."""
    is_named = isinstance(argument, exp.Kwarg | exp.EQ) and isinstance(argument.this, exp.Var | exp.Column)
    if not is_named or (isinstance(argument.this, exp.Column) and argument.this.table):
        raise SqlError(_LITERALS.format(name=name))
    value = _value(argument.expression)
    if value is None:
        raise SqlError(_LITERALS.format(name=name))
    return argument.this.name, value


def _value(node: exp.Expr) -> Value | None:
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return str(node.this)
        return int(node.name) if node.name.isdecimal() else None
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and node.this.name.isdecimal():
        return -int(node.this.name)
    return _texts(node) or _pairs(node)


def _texts(node: exp.Expr | None) -> tuple[str, ...] | None:
    if isinstance(node, exp.Literal) and node.is_string:
        return (str(node.this),)
    is_array = isinstance(node, exp.Array) or (isinstance(node, exp.Anonymous) and node.name.lower() == "array")
    if node is None or not is_array or not node.expressions:
        return None
    if not all(isinstance(item, exp.Literal) and item.is_string for item in node.expressions):
        return None
    return tuple(str(item.this) for item in node.expressions)


def _pairs(node: exp.Expr) -> tuple[tuple[str, str], ...] | None:
    """Return the entries of `map('a', 'int', …)`, or of DuckDB's `{'a': 'INT'}`."""
    if isinstance(node, exp.Struct):
        items = [(item.this.name, item.expression) for item in node.expressions if isinstance(item, exp.PropertyEQ)]
        if len(items) != len(node.expressions) or not all(_texts(value) for _, value in items):
            return None
        return tuple((name, str(value.this)) for name, value in items if isinstance(value, exp.Literal)) or None
    if not isinstance(node, exp.Anonymous) or node.name.lower() != "map" or len(node.expressions) % 2:
        return None
    texts = [item.this for item in node.expressions if isinstance(item, exp.Literal) and item.is_string]
    if len(texts) != len(node.expressions) or not texts:
        return None
    return tuple(zip(texts[::2], texts[1::2], strict=True))
