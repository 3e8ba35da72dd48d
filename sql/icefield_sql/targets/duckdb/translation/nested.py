"""Functions on arrays, maps and structs whose translation depends on their arguments."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from icefield_sql.lang.quoting import quote_standard
from icefield_sql.lang.types import BIGINT, INT, INTEGERS, STRING, Type, array, common, duckdb_name
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, raw
from .casts import as_text
from .rules import Builder


def _refuse(name: str) -> Untranslatable:
    return Untranslatable(f"this form of {name}.")


def _inner(argument: Argument, what: str) -> Type:
    if argument.kind(what) != "array" or argument.type is None:
        raise _refuse(what)
    return argument.type.inner[0]


def _array(arguments: Sequence[Argument]) -> Argument:
    kind = common([argument.type for argument in arguments])
    if kind is None or not arguments:
        raise _refuse("array")
    listed = f"[{', '.join(argument.sql for argument in arguments)}]"
    target = array(kind)
    return Argument(raw(f"CAST({listed} AS {duckdb_name(target)})"), target)


def _map(arguments: Sequence[Argument]) -> Argument:
    key, value = (common([argument.type for argument in arguments[at::2]]) for at in (0, 1))
    if key is None or value is None or not arguments or len(arguments) % 2:
        raise _refuse("map")
    pairs = ", ".join(f"{a.sql}: {b.sql}" for a, b in zip(arguments[::2], arguments[1::2], strict=True))
    return Argument(raw(f"MAP {{{pairs}}}"), Type("map", inner=(key, value)))


def _map_entries(arguments: Sequence[Argument]) -> Argument:
    given = arguments[0]
    if given.kind("map_entries") != "map" or given.type is None:
        raise _refuse("map_entries")
    return Argument(
        raw(f"map_entries({given.sql})"), array(Type("struct", inner=given.type.inner, names=("key", "value")))
    )


def _named_struct(arguments: Sequence[Argument]) -> Argument:
    names = [argument.literal for argument in arguments[::2]]
    if len(arguments) % 2 or None in names:
        raise _refuse("named_struct")
    return _struct_of([name or "" for name in names], arguments[1::2])


def struct(nodes: Sequence[exp.Expr], arguments: Sequence[Argument]) -> Argument:
    """Return `struct(a, b AS c, 1)`: a field has the name of its column or alias, else of its position (`col3`)."""
    names = [node.alias_or_name if isinstance(node, exp.Alias | exp.Column) else "" for node in nodes]
    values = [Argument(a.node.this, a.type) if isinstance(a.node, exp.Alias) else a for a in arguments]
    return _struct_of([name or f"col{index + 1}" for index, name in enumerate(names)], values)


def _struct_of(names: Sequence[str], values: Sequence[Argument]) -> Argument:
    kinds = [value.type for value in values if value.type is not None]
    if len(kinds) != len(values) or not values:
        raise _refuse("struct")
    pairs = ", ".join(f"{quote_standard(name)} := {value.sql}" for name, value in zip(names, values, strict=True))
    return Argument(raw(f"struct_pack({pairs})"), Type("struct", inner=tuple(kinds), names=tuple(names)))


def map_value(subject: Argument, key: Argument) -> Argument:
    """Return `map[key]`, NULL when there is no such key."""
    assert subject.type is not None  # noqa: S101 - the caller looked
    return Argument(raw(f"{subject.sql}[{key.sql}]"), subject.type.inner[1] if subject.type.inner else None)


def array_value(subject: Argument, index: Argument) -> Argument:
    """Return `array[index]`, counted from 0; an index outside of it ends the statement."""
    inner = _inner(subject, "an index")
    if index.kind("an index") not in INTEGERS:
        raise _refuse("an index")
    at = index.sql
    error = f"error('[INVALID_ARRAY_INDEX] The index ' || {at} || ' is out of bounds. Use get() to tolerate that.')"
    text = (
        f"(CASE WHEN {subject.sql} IS NULL OR {at} IS NULL THEN NULL WHEN {at} < 0 OR {at} >= len({subject.sql}) "
        f"THEN {error} ELSE list_extract({subject.sql}, {at} + 1) END)"
    )
    return Argument(raw(text), inner)


def _element_at(arguments: Sequence[Argument]) -> Argument:
    subject, key = arguments
    if subject.kind("element_at") == "map":
        return map_value(subject, key)
    inner = _inner(subject, "element_at")
    if not key.integer:
        raise _refuse("element_at")
    error = (
        f"error('[INVALID_ARRAY_INDEX_IN_ELEMENT_AT] The index {key.integer} is out of bounds. Use try_element_at().')"
    )
    text = (
        f"(CASE WHEN {subject.sql} IS NULL THEN NULL WHEN len({subject.sql}) < {abs(key.integer)} "
        f"THEN {error} ELSE list_extract({subject.sql}, {key.sql}) END)"
    )
    return Argument(raw(text), inner)


def _try_element_at(arguments: Sequence[Argument]) -> Argument:
    subject, key = arguments
    if subject.kind("try_element_at") == "map":
        return map_value(subject, key)
    if not key.integer:
        raise _refuse("try_element_at")
    return Argument(raw(f"list_extract({subject.sql}, {key.sql})"), _inner(subject, "try_element_at"))


def _size(arguments: Sequence[Argument]) -> Argument:
    function = {"array": "len", "map": "cardinality"}.get(arguments[0].kind("size"))
    if function is None:
        raise _refuse("size")
    return Argument(raw(f"CAST({function}({arguments[0].sql}) AS INTEGER)"), INT)


def _sort_array(arguments: Sequence[Argument]) -> Argument:
    ascending = len(arguments) == 1 or (isinstance(arguments[1].node, exp.Boolean) and arguments[1].node.this)
    if len(arguments) == 2 and not isinstance(arguments[1].node, exp.Boolean):
        raise _refuse("sort_array")
    _inner(arguments[0], "sort_array")
    order = "'ASC', 'NULLS FIRST'" if ascending else "'DESC', 'NULLS LAST'"
    return Argument(raw(f"list_sort({arguments[0].sql}, {order})"), arguments[0].type)


def _array_position(arguments: Sequence[Argument]) -> Argument:
    _inner(arguments[0], "array_position")
    both = f"{arguments[0].sql} IS NOT NULL AND {arguments[1].sql} IS NOT NULL"
    found = f"coalesce(list_position({arguments[0].sql}, {arguments[1].sql}), 0)"
    return Argument(raw(f"(CASE WHEN {both} THEN CAST({found} AS BIGINT) END)"), BIGINT)


def _array_remove(arguments: Sequence[Argument]) -> Argument:
    _inner(arguments[0], "array_remove")
    kept = f"list_filter({arguments[0].sql}, lambda _v: _v IS NULL OR _v <> {arguments[1].sql})"
    return Argument(raw(f"(CASE WHEN {arguments[1].sql} IS NOT NULL THEN {kept} END)"), arguments[0].type)


def _array_join(arguments: Sequence[Argument]) -> Argument:
    if _inner(arguments[0], "array_join") != STRING:
        raise _refuse("array_join")
    items = arguments[0].sql
    if len(arguments) == 3:
        items = f"list_transform({items}, lambda _v: coalesce(_v, {as_text(arguments[2])}))"
    return Argument(raw(f"array_to_string({items}, {as_text(arguments[1])})"), STRING)


def _slice(arguments: Sequence[Argument]) -> Argument:
    start, length = arguments[1].integer, arguments[2].integer
    _inner(arguments[0], "slice")
    if start is None or length is None or start < 1 or length < 0:
        raise _refuse("slice")
    return Argument(raw(f"list_slice({arguments[0].sql}, {start}, {start + length - 1})"), arguments[0].type)


def _sequence(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) not in (2, 3) or any(argument.type != INT for argument in arguments):
        raise _refuse("sequence")
    a, b = arguments[0].sql, arguments[1].sql
    if len(arguments) == 3:
        if not arguments[2].integer or arguments[2].integer < 0:
            raise _refuse("sequence")
        text = f"generate_series({a}, {b}, {arguments[2].sql})"
    else:
        text = f"(CASE WHEN {a} <= {b} THEN generate_series({a}, {b}) ELSE generate_series({a}, {b}, -1) END)"
    return Argument(raw(f"CAST({text} AS INTEGER[])"), array(INT))


def _reverse(arguments: Sequence[Argument]) -> Argument:
    if arguments[0].kind("reverse") == "array":
        return Argument(raw(f"list_reverse({arguments[0].sql})"), arguments[0].type)
    return Argument(raw(f"reverse({as_text(arguments[0])})"), STRING)


BUILDERS: dict[str, Builder] = {
    "array": _array,
    "map": _map,
    "map_entries": _map_entries,
    "named_struct": _named_struct,
    "element_at": _element_at,
    "try_element_at": _try_element_at,
    "size": _size,
    "cardinality": _size,
    "array_size": _size,
    "sort_array": _sort_array,
    "array_position": _array_position,
    "array_remove": _array_remove,
    "array_join": _array_join,
    "slice": _slice,
    "sequence": _sequence,
    "reverse": _reverse,
}
"""What builds a call, by the function's lower-case name."""
