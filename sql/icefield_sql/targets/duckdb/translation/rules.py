"""How functions are translated: a template of DuckDB's text for what arguments it takes and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from icefield_sql.lang.types import DATE, FRACTIONS, INTEGERS, NUMBERS, TIMES, Type
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, raw
from .casts import as_text, cast

Result = Type | int | Callable[[Sequence[Argument]], Type | None]
Builder = Callable[[Sequence[Argument]], Argument]


@dataclass(frozen=True)
class Form:
    """One form of a function.

    Args:
        takes: a letter per argument: `s` string (others are cast), `i` integer, `n` number, `f` number as a double,
            `d` date (timestamps and literals are cast), `t` timestamp, `T` date or timestamp, `b` boolean, `x` binary,
            `a` array, `m` map, `*` anything.
        template: DuckDB's text, with `{0}` for the first argument.
        result: its type; a number means that of the argument with this index.
    """

    takes: str
    template: str
    result: Result


def build(name: str, forms: Sequence[Form], arguments: Sequence[Argument]) -> Argument:
    """Return a call of a function.

    Raises:
        Untranslatable: no form of it takes these arguments.
    """
    for form in forms:
        if len(form.takes) == len(arguments):
            texts = [_taken(name, letter, argument) for letter, argument in zip(form.takes, arguments, strict=True)]
            return Argument(raw(form.template.format(*texts)), _result(form.result, arguments))
    raise Untranslatable(f"{name} with {len(arguments)} arguments.")


def _result(result: Result, arguments: Sequence[Argument]) -> Type | None:
    if isinstance(result, int):
        return arguments[result].type
    return result if isinstance(result, Type) else result(arguments)


def _taken(name: str, letter: str, argument: Argument) -> str:
    if letter == "*":
        return argument.sql
    kind = argument.kind(name)
    if kind == "void":
        return f"CAST(NULL AS {_VOID[letter]})" if letter in _VOID else argument.sql
    taker = _TAKERS.get(letter)
    if taker is not None and (text := taker(argument, kind)) is not None:
        return text
    if kind in _KINDS.get(letter, ()):
        return argument.sql
    raise Untranslatable(f"{name} of a {kind}.")


def _as_date(argument: Argument, kind: str) -> str | None:
    if kind == "date":
        return argument.sql
    return cast(argument, DATE) if kind in TIMES or kind == "string" else None


def _as_double(argument: Argument, kind: str) -> str | None:
    if kind == "double":
        return argument.sql
    return f"CAST({argument.sql} AS DOUBLE)" if kind in NUMBERS else None


def _as_moment(argument: Argument, kind: str) -> str | None:
    if kind in TIMES:
        return argument.sql
    if kind == "date":
        return f"CAST({argument.sql} AS TIMESTAMPTZ)"
    return cast(argument, Type("timestamp")) if kind == "string" else None


_VOID = {"s": "VARCHAR", "i": "INTEGER", "f": "DOUBLE", "d": "DATE", "t": "TIMESTAMPTZ", "b": "BOOLEAN"}
_TAKERS: dict[str, Callable[[Argument, str], str | None]] = {
    "s": lambda argument, kind: as_text(argument),
    "d": _as_date,
    "f": _as_double,
    "t": _as_moment,
}
_KINDS: dict[str, tuple[str, ...]] = {
    "i": INTEGERS,
    "n": NUMBERS,
    "T": ("date", *TIMES),
    "b": ("boolean",),
    "x": ("binary",),
    "a": ("array",),
    "m": ("map",),
    "F": FRACTIONS,
}
