"""The dialects in which statements are parsed.

Icefield: Spark SQL in which "x" and `x` are both identifiers, so that strings are in single quotes only. OwnDuckDB:
DuckDB's own SQL, for reads.

Function calls keep the name they were written with (`exp.Anonymous`): what may be called, what it means on each engine
and what it returns is decided by name in functions.py, never by what sqlglot makes of it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp, parser
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token, TokenType

from .timed import TimedParser, TimedTokenizer, timed


class MisparsedError(ParseError):
    """A text does not parse.

    Attributes:
        message: what the grammar says.
        token: where.
        is_end: whether that is the end of the text.
    """

    def __init__(self, message: str, token: Token, is_end: bool) -> None:
        super().__init__(message)
        self.message = message
        self.token = token
        self.is_end = is_end


class _PlacedErrors:
    """A parser whose errors have the token that they are about."""

    def raise_error(self, message: str, token: Token | None = None) -> None:
        """Raise that a text does not parse, at a token or else at the next one."""
        parser_: Any = self
        found = token or parser_._curr
        raise MisparsedError(message, found or parser_._prev, is_end=not found)


TAIL = "tail"
"""Key of a projection's meta: the position of its last character in the statement's text."""


_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "POSITION", "OVERLAY")


class Icefield(Spark):
    """The dialect in which statements are parsed."""

    class Tokenizer(TimedTokenizer, Spark.Tokenizer):
        """Spark's tokens, with both quotes of identifiers and both escapes of strings (Spark 4: `'it''s'`)."""

        QUOTES: ClassVar[list[Any]] = ["'"]
        IDENTIFIERS: ClassVar[list[Any]] = ["`", '"']
        STRING_ESCAPES: ClassVar[list[str]] = ["\\", "'"]
        RAW_STRINGS: ClassVar[list[Any]] = [("r'", "'"), ("R'", "'")]
        KEYWORDS: ClassVar[dict[str, TokenType]] = {
            **{
                word: kind
                for word, kind in Spark.Tokenizer.KEYWORDS.items()
                if kind not in (TokenType.COMMAND, TokenType.SHOW) and not word.startswith(("{", "/*"))
            },
        }

    class Parser(_PlacedErrors, TimedParser, Spark.Parser):  # type: ignore[misc,valid-type]
        """Spark's grammar, without what sqlglot knows of functions."""

        STRICT_CAST = True
        ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {}
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: Spark.Parser.FUNCTION_PARSERS[name] for name in _SYNTAX if name in Spark.Parser.FUNCTION_PARSERS
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            "CASE": Spark.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"],
        }
        VERSION_PHRASES: ClassVar[dict[Any, str]] = {
            ("FOR", "SYSTEM_VERSION"): "VERSION",
            ("SYSTEM_VERSION", "AS", "OF"): "VERSION",
            ("SYSTEM_TIME", "AS", "OF"): "TIMESTAMP",
            **parser.Parser.VERSION_PHRASES,
        }

        def _parse_projections(self) -> tuple[list[exp.Expr], list[exp.Expr] | None]:
            return self._parse_csv(self._parse_projection), None

        def _parse_projection(self) -> exp.Expr | None:
            node: exp.Expr | None = self._parse_expression()
            if node is not None:
                node.meta[TAIL] = self._prev.end
            return node


_DUCKDB_SYNTAX = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "SUBSTRING", "POSITION", "OVERLAY")


class OwnDuckDB(DuckDB):
    """DuckDB's dialect, in which calls of functions keep their names."""

    class Tokenizer(TimedTokenizer, DuckDB.Tokenizer):
        """DuckDB's tokens."""

    class Parser(_PlacedErrors, TimedParser, DuckDB.Parser):  # type: ignore[misc,valid-type]
        """DuckDB's grammar, without what sqlglot knows of functions."""

        ARRAY_CONSTRUCTORS: ClassVar[dict[str, Any]] = {"ARRAY": exp.Array}
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: DuckDB.Parser.FUNCTION_PARSERS[name]
            for name in _DUCKDB_SYNTAX
            if name in DuckDB.Parser.FUNCTION_PARSERS
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE", "MAP")
            if name in DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS
        }  # fmt: skip


def tokenize(text: str, dialect: str = "icefield") -> list[Token]:
    """Return the tokens of a text in a dialect: `icefield`, `duckdb` for our own, or another one of sqlglot.

    Raises:
        sqlglot.errors.TokenError: a quote or comment is never closed.
        planning_time.OutOfTimeError: it takes too long.
    """
    own = {"icefield": Icefield, "duckdb": OwnDuckDB}.get(dialect)
    return (own() if own else timed(dialect)).tokenize(text)
