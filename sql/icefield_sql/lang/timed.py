"""The parts of sqlglot's dialects, each of which looks at the time for planning as it goes.

Nothing of sqlglot is used without: its grammars try one reading after the other, and what that takes can double with
each level of a text. They look at the time, and know which types they looked for in vain.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any, NamedTuple

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenizerCore

from . import planning_time
from .errors import SqlError

MAX_COLUMNS = 10_000
"""Of any query in a statement."""
TOO_WIDE = f"A query in it has more than {MAX_COLUMNS} columns; name the columns that are needed instead of *."
_EVERY = planning_time.STEPS_BETWEEN_CHECKS
_CHARACTERS_BETWEEN_CHECKS = 2048


class _TimedCore(TokenizerCore):
    """A tokenizer that looks at the time between words, and in long comments and strings."""

    __slots__ = ()

    def _advance(self, i: int = 1, alnum: bool = False) -> None:
        before = self._current
        super()._advance(i, alnum)
        if before // _CHARACTERS_BETWEEN_CHECKS != self._current // _CHARACTERS_BETWEEN_CHECKS:
            planning_time.check()

    def _add(self, token_type: Any, text: str | None = None) -> None:
        if len(self.tokens) % _EVERY == 0:
            planning_time.check()
        super()._add(token_type, text)


class TimedTokenizer:
    """A tokenizer that ends with planning_time.OutOfTimeError when it takes too long."""

    def _init_core(self) -> TokenizerCore:
        core: TokenizerCore = super()._init_core()  # type: ignore[misc]
        core.__class__ = _TimedCore
        return core

    def tokenize(self, sql: str) -> list[Token]:
        """Return the tokens of a text."""
        try:
            tokens: list[Token] = super().tokenize(sql)  # type: ignore[misc]
        except TokenError as error:
            if isinstance(error.__cause__, planning_time.OutOfTimeError):
                raise error.__cause__ from None
            raise
        return tokens


class _Attempt(NamedTuple):
    """What came of reading a type: its tree, where the next token is, and what it was read from."""

    tree: exp.Expr | None
    end: int
    tokens: list[Token]


class TimedParser:
    """A parser that ends with planning_time.OutOfTimeError when it takes too long.

    Where a call may be meant, sqlglot first reads a type, such as that of `DECIMAL(10, 2)`, and if it is none reads all
    of it again. That doubles with each level of `INT(INT(…))`, so what came of it is kept.
    """

    _steps = 0
    _attempts: dict[tuple[int, tuple[bool, ...]], _Attempt]

    def _advance(self, times: int = 1) -> None:
        self._steps += 1
        if self._steps % _EVERY == 0:
            planning_time.check()
        super()._advance(times)  # type: ignore[misc]

    def reset(self) -> None:
        """Forget the last text."""
        super().reset()  # type: ignore[misc]
        self._attempts = {}

    def _parse_types(
        self,
        check_func: bool = False,
        schema: bool = False,
        allow_identifiers: bool = True,
        with_collation: bool = False,
    ) -> exp.Expr | None:
        flags = (check_func, schema, allow_identifiers, with_collation)
        parser: Any = self
        if parser._curr.token_type not in parser.TYPE_TOKENS:
            return super()._parse_types(*flags)  # type: ignore[misc,no-any-return]
        key = (parser._index, flags)
        known = self._attempts.get(key)
        if known is None or known.tokens is not parser._tokens:
            tree: exp.Expr | None = super()._parse_types(*flags)  # type: ignore[misc]
            self._attempts[key] = _Attempt(tree and tree.copy(), parser._index, parser._tokens)
            return tree
        parser._retreat(known.end)
        return known.tree and known.tree.copy()

    def _pivot_column_names(self, aggregations: list[exp.Expr]) -> list[str]:
        """Refuse a PIVOT of too many columns before sqlglot names each of them."""
        fields = aggregations[0].parent.args.get("fields") or () if aggregations[0].parent else ()
        if prod(len(field.expressions) or 1 for field in fields) * len(aggregations) > MAX_COLUMNS:
            raise SqlError(f"A PIVOT makes more than {MAX_COLUMNS} columns.")
        return super()._pivot_column_names(aggregations)  # type: ignore[misc,no-any-return]


class _TimedGenerator:
    """A generator that ends with planning_time.OutOfTimeError when it takes too long."""

    _steps = 0

    def sql(self, *args: Any, **options: Any) -> str:
        self._steps += 1
        if self._steps % _EVERY == 0:
            planning_time.check()
        return super().sql(*args, **options)  # type: ignore[misc,no-any-return]


@cache
def _parts(name: str) -> dict[str, type]:
    """Return the classes of a dialect's parts; a dialect of its own would lose what sqlglot knows by its name."""
    plain = Dialect.get_or_raise(name)
    return {
        key: part if issubclass(part, mixin) else type(f"Timed{part.__name__}", (mixin, part), {})
        for key, part, mixin in (
            ("tokenizer_class", plain.tokenizer_class, TimedTokenizer),
            ("parser_class", plain.parser_class, TimedParser),
            ("generator_class", plain.generator_class, _TimedGenerator),
        )
    }


def timed(name: str) -> Dialect:
    """Return a dialect of sqlglot, all of whose parts look at the time."""
    dialect = Dialect.get_or_raise(name)
    for key, part in _parts(name).items():
        setattr(dialect, key, part)
    return dialect


def written(tree: exp.Expr, dialect: str, **options: Any) -> str:
    """Return the text of a tree in a dialect.

    Args:
        tree: the tree.
        dialect: a dialect of sqlglot.
        options: those of its generator, and `copy=False` for a tree that nothing else reads afterwards.
    """
    copy = options.pop("copy", True)
    return timed(dialect).generator(**options).generate(tree, copy=copy)
