"""A statement as its author wrote it, beside what its engine was given: where words of the one are in the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang import planning_time
from icefield_sql.lang.dialects import tokenize
from icefield_sql.lang.places import place, position_of

MAX_LENGTH = 64 * 1024
"""In longer texts no position is looked for, in characters."""
_SECONDS = 0.2
_STRINGS = (TokenType.STRING, TokenType.RAW_STRING)


@dataclass(frozen=True)
class WrittenText:
    """The text of a statement.

    Args:
        text: as its author wrote it.
        dialect: `icefield` or `duckdb`.
        engine_text: as the engine was given it; None where that is not known.
    """

    text: str
    dialect: str = "icefield"
    engine_text: str | None = None

    def place(self, position: int) -> str:
        """Return a position in words, such as `Line 1, column 8`."""
        return place(self.text, position)

    def find(self, *words: str) -> int | None:
        """Return where a dotted name is, or its last part where that stands alone; None where it is not."""
        wanted = [word.lower() for word in words]
        for length in range(len(wanted), 0, -1):
            if (found := self._sequence(wanted[-length:])) is not None:
                return found
        return None

    def find_string(self, value: str) -> int | None:
        """Return where a string literal is; None where it is not."""
        return next(
            (token.start for token in self._tokens if token.token_type in _STRINGS and token.text == value), None
        )

    def is_double_quoted(self, position: int) -> bool:
        """Return whether what is at a position is in double quotes."""
        return self.text[position : position + 1] == '"'

    def from_engine(self, line: int, column: int) -> int | None:
        """Return where the word is that the engine's text has at a line (from 1) and column (from 0).

        The engine's text has the words of the author's in their order, with others between: so the word is looked for
        as the same one of its kind, counted from the start.
        """
        if self.engine_text is None or len(self.engine_text) > MAX_LENGTH:
            return None
        at = position_of(self.engine_text, line, column)
        tokens = _tokens(self.engine_text, "icefield")
        index = next((number for number, token in enumerate(tokens) if token.start <= at <= token.end), None)
        if index is None or at == 0:
            return None
        word = tokens[index].text.lower()
        number = sum(token.text.lower() == word for token in tokens[:index])
        alike = [token for token in self._tokens if token.text.lower() == word]
        return alike[min(number, len(alike) - 1)].start if alike else None

    @cached_property
    def _tokens(self) -> list[Token]:
        return _tokens(self.text, self.dialect) if len(self.text) <= MAX_LENGTH else []

    def _sequence(self, words: list[str]) -> int | None:
        tokens = self._tokens
        for index, token in enumerate(tokens):
            if token.token_type in _STRINGS or token.text.lower() != words[0]:
                continue
            names = [tokens[at].text.lower() for at in range(index, min(index + 2 * len(words), len(tokens)), 2)]
            if names[: len(words)] == words:
                return token.start
        return None


def _tokens(text: str, dialect: str) -> list[Token]:
    try:
        with planning_time.limited_to(_SECONDS):
            return tokenize(text, dialect)
    except (TokenError, planning_time.OutOfTimeError):
        return []
