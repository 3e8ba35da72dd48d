"""Reading a statement's tokens one by one, where sqlglot's grammar is wider than what is allowed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from .errors import SqlError
from .lexing import SourceText

_NO_WORD = (TokenType.IDENTIFIER, TokenType.STRING, TokenType.RAW_STRING, TokenType.NUMBER, TokenType.HEX_STRING)
_SHOWN = 80
"""How much of a word a message repeats, in characters."""


@dataclass(frozen=True)
class NameSpan:
    """A dotted name and where it is in the text (first and last position, inclusive)."""

    parts: tuple[str, ...]
    start: int
    end: int

    def __str__(self) -> str:
        return ".".join(self.parts)


class Cursor:
    """A position among the tokens of a statement."""

    def __init__(self, source: SourceText, index: int = 0) -> None:
        self.source = source
        self.tokens = source.tokens
        self.index = index

    @property
    def token(self) -> Token | None:
        """The token to be read next; None at the end."""
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    @property
    def done(self) -> bool:
        """Whether everything is read."""
        return self.index >= len(self.tokens)

    def word(self, offset: int = 0) -> str:
        """Return an unquoted word ahead in upper case, or nothing when there is none."""
        at = self.index + offset
        if at >= len(self.tokens) or self.tokens[at].token_type in _NO_WORD:
            return ""
        return " ".join(self.tokens[at].text.upper().split())

    def at(self, *words: str) -> bool:
        """Return whether these words come next."""
        return all(self.word(offset) == word for offset, word in enumerate(words))

    def take(self, *words: str) -> bool:
        """Read these words if they come next, and return whether they did."""
        if not self.at(*words):
            return False
        self.index += len(words)
        return True

    def take_any(self, *words: str) -> str:
        """Read one of these words if it comes next, and return it; nothing otherwise."""
        word = self.word()
        if word in words and word:
            self.index += 1
            return word
        return ""

    def expect(self, *words: str) -> None:
        """Read these words.

        Raises:
            SqlError: something else comes next.
        """
        if not self.take(*words):
            raise self.unexpected(" ".join(words))

    def name(self) -> NameSpan:
        """Read a dotted name.

        Raises:
            SqlError: none comes next.
        """
        parts = [self._part()]
        start = end = self.tokens[self.index - 1]
        while self.word() == ".":
            self.index += 1
            parts.append(self._part())
            end = self.tokens[self.index - 1]
        return NameSpan(tuple(parts), start.start, end.end)

    def string(self) -> str:
        """Read a string literal and return its value.

        Raises:
            SqlError: none comes next.
        """
        token = self.token
        if token is None or token.token_type not in (TokenType.STRING, TokenType.RAW_STRING):
            raise self.unexpected("a string in single quotes")
        self.index += 1
        return token.text

    def take_string(self) -> str | None:
        """Read a string literal if one comes next, and return its value."""
        token = self.token
        if token is not None and token.token_type in (TokenType.STRING, TokenType.RAW_STRING):
            self.index += 1
            return token.text
        return None

    def parenthesised(self) -> list[Token]:
        """Read a group in parentheses and return the tokens inside it.

        Raises:
            SqlError: none comes next, or it is never closed.
        """
        self.expect("(")
        first, depth = self.index, 1
        while depth:
            token = self.token
            if token is None:
                raise SqlError("This ( is never closed.", self.tokens[first - 1].start)
            depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
            self.index += 1
        return list(self.tokens[first : self.index - 1])

    def end(self) -> None:
        """Make sure that everything is read.

        Raises:
            SqlError: something is left.
        """
        if not self.done:
            raise self.unexpected("the end of the statement")

    def refusal(self, sentence: str) -> SqlError:
        """Return the error for the next word; its sentence counts for nothing where the statement ends."""
        if self.token is None:
            return SqlError(f"The statement ends after {self.tokens[-1].text}.", self.tokens[-1].start)
        return SqlError(sentence, self.token.start)

    def unexpected(self, wanted: str) -> SqlError:
        """Return the error for something else than what is wanted."""
        token = self.token
        if token is None:
            return SqlError(f"The statement ends where {wanted} is expected.")
        shown = token.text if len(token.text) <= _SHOWN else token.text[:_SHOWN] + "…"
        shown = f"'{shown}'" if token.token_type in (TokenType.STRING, TokenType.RAW_STRING) else shown
        return SqlError(f"{wanted} is expected here, not {shown}.", token.start)

    def _part(self) -> str:
        token = self.token
        if token is None or not (token.token_type == TokenType.IDENTIFIER or _is_bare_name(token)):
            raise self.unexpected("a name")
        self.index += 1
        return token.text


def _is_bare_name(token: Token) -> bool:
    return token.token_type not in _NO_WORD and token.text.replace("_", "a").isalnum() and not token.text.isdigit()
