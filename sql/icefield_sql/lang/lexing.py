"""From text to tokens and back: one statement's tokens, its parameters bound, and the text for Spark.

Spark gets our tokens, written out again one by one, never the caller's own text: what Spark reads is then exactly what
was checked here, whatever Spark would have made of the caller's quotes and comments.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from . import planning_time
from .dialects import tokenize
from .errors import SqlError
from .literals import Params, render
from .places import place
from .quoting import quote, quote_string

MAX_TOKENS = 2_000_000
MAX_DEPTH = 100
"""How deep parentheses may nest. Not all of it can be read: a level takes some 25 frames of Python's stack."""
PLANNED_DEPTH = 25
"""How deep anything may nest and always be planned, below the hundred frames of a server that calls us."""

_OPEN = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSE = (TokenType.R_PAREN, TokenType.R_BRACKET)
_SPACE = " \t\r\n"
_GLUED = (TokenType.DOT,)
_SURROGATE = re.compile("[\ud800-\udfff]")
_OPENING = re.compile("--|/\\*|['\"`]")
_CLOSING = {
    "--": re.compile("\n|$"),
    "/*": re.compile(r"\*/"),
    "'": re.compile(r"(?:[^'\\]|\\.|'')*'", re.DOTALL),
    '"': re.compile('"'),
    "`": re.compile("`"),
}
_TYPOGRAPHIC = {
    **dict.fromkeys("\u2018\u2019\u201a\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e", '"'),
}
"""Quotes of word processors, with the ones that are meant."""


class Binding(NamedTuple):
    """A parameter: where its literal is in the text, and what it was written as in the caller's, begin and end each."""

    start: int
    end: int
    written_start: int
    written_end: int


@dataclass(frozen=True)
class SourceText:
    """A statement's text with its tokens; positions in tokens are positions in the text.

    `written` is the text as the caller wrote it, where parameters are bound in the other one, at `bindings`.
    """

    text: str
    tokens: tuple[Token, ...]
    written: str | None = None
    bindings: tuple[Binding, ...] = ()

    def place(self, position: int) -> str:
        """Return a position in the text as line and column of what the caller wrote."""
        if self.written is None:
            return place(self.text, position)
        at = bisect_right(self.bindings, position, key=lambda binding: binding.start) - 1
        if at < 0:
            return place(self.written, position)
        binding = self.bindings[at]
        after = max(0, position - binding.end)
        return place(self.written, binding.written_start if not after else binding.written_end + after)

    def placed(self, error: SqlError) -> SqlError:
        """Return an error with the place that it is about in its sentence."""
        if error.at is None:
            return error
        placed = SqlError(f"{self.place(error.at)}: {error.sentence}")
        placed.bare = error.bare
        return placed

    def find(self, word: str) -> int | None:
        """Return where a name is in the text first; None where it is not."""
        lowered = word.lower()
        for token in planning_time.checked(self.tokens):
            if token.text.lower() == lowered and token.token_type != TokenType.STRING:
                return token.start
        return None


@dataclass
class Edits:
    """What is different in the text for Spark: spans replaced, and text inserted after positions.

    Spans are (first, last) positions in the source's text, both inclusive, and begin and end with a token.
    """

    replaced: dict[int, tuple[int, str]] = field(default_factory=dict)
    inserted: dict[int, str] = field(default_factory=dict)

    def replace(self, start: int, end: int, text: str) -> None:
        """Write `text` in place of the tokens from `start` to `end`."""
        self.replaced[start] = (end, text)

    def insert_after(self, end: int, text: str) -> None:
        """Write `text` after the token that ends at `end`."""
        self.inserted[end] = self.inserted.get(end, "") + text


def lex(text: str, params: Params = None, dialect: str = "icefield") -> SourceText:
    """Return the tokens of the one statement in a text, parameters bound and trailing semicolons dropped.

    Raises:
        SqlError: it is no text of one statement, or the parameters are not those it has.
    """
    check_characters(text)
    tokens = _tokens(text, dialect)
    written: str | None = None
    bindings: tuple[Binding, ...] = ()
    if params is not None:
        written = text
        text, bindings = _bind(text, tokens, params, dialect)
        check_characters(text)
        tokens = _tokens(text, dialect)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    while tokens and tokens[0].token_type == TokenType.SEMICOLON:
        tokens.pop(0)
    if not tokens:
        raise SqlError("The statement is empty.")
    source = SourceText(text, tuple(tokens), written, bindings)
    try:
        _check(tokens)
    except SqlError as error:
        raise source.placed(error) from None
    return source


def check_characters(text: str) -> None:
    """Refuse a text that is none: JSON can name halves of characters, and NUL ends a text for some readers.

    Raises:
        SqlError: it has such a character.
    """
    if "\0" in text:
        raise SqlError("The statement has a NUL character.")
    if not text.isascii() and (found := _SURROGATE.search(text)):
        raise SqlError(f"The statement has half of a character, \\u{ord(found.group()):04x}, which is no text.")


def write(
    source: SourceText,
    edits: Edits,
    first: int = 0,
    last: int | None = None,
    spell: Callable[[Token, str], str] | None = None,
) -> str:
    """Return the text for an engine of the tokens `first` to `last` (exclusive) of a statement.

    Args:
        source: the statement.
        edits: what is different.
        first: index of a token.
        last: index of a token; None for all that follow.
        spell: writes a token of the statement's text as the engine reads it; as Spark does when absent.
    """
    spell = spell or spelled
    out: list[str] = []
    line = skip_to = -1
    previous: Token | None = None
    for token in planning_time.checked(source.tokens[first:last]):
        if token.start <= skip_to:
            if token.end in edits.inserted and token.end == skip_to:
                out.append(edits.inserted[token.end])
            continue
        if previous is not None and not (token.token_type in _GLUED or previous.token_type in _GLUED):
            out.append("\n" if token.line > line and line > 0 else " ")
        if token.start in edits.replaced:
            skip_to, text = edits.replaced[token.start]
            out.append(text)
            if token.end == skip_to and token.end in edits.inserted:
                out.append(edits.inserted[token.end])
        else:
            out.append(spell(token, source.text))
            skip_to = token.end
            if token.end in edits.inserted:
                out.append(edits.inserted[token.end])
        previous, line = token, token.line
    return "".join(out)


def spelled(token: Token, text: str) -> str:
    """Return a token as Spark reads it back."""
    if token.token_type == TokenType.IDENTIFIER:
        return quote(token.text)
    if token.token_type in (TokenType.STRING, TokenType.RAW_STRING):
        return quote_string(token.text)
    return text[token.start : token.end + 1]


def is_as_spelled(source: SourceText) -> bool:
    """Return whether a text is just what Spark would be given for it, but for spaces: its quotes, and no comments."""
    text, position = source.text, 0
    for token in source.tokens:
        if token.start < position:
            continue  # of the same characters as the one before: `2L` is three tokens
        if text[position : token.start].strip(_SPACE) or text[token.start : token.end + 1] != spelled(token, text):
            return False
        position = token.end + 1
    return not text[position:].strip(_SPACE)


def replace_spans(text: str, edits: Edits) -> str:
    """Return a text with spans of it replaced, and nothing else changed."""
    out, position = [], 0
    for start, (end, new) in sorted(edits.replaced.items()):
        out += [text[position:start], new]
        position = end + 1
    return "".join([*out, text[position:]])


def _tokens(text: str, dialect: str) -> list[Token]:
    try:
        tokens = tokenize(text, dialect)
    except TokenError:
        raise _unclosed(text) from None
    if len(tokens) > MAX_TOKENS:
        raise SqlError(f"The statement has more than {MAX_TOKENS} words; load large data as files instead.")
    return tokens


def _unclosed(text: str) -> SqlError:
    """Return the error of a text whose last quote or comment is never closed."""
    position = 0
    while found := _OPENING.search(text, position):
        kind = found.group()
        closed = _CLOSING[kind].search(text, found.end())
        if closed is None:
            what = "comment" if kind == "/*" else "string" if kind == "'" else "quoted name"
            hint = "; a quote inside a string is doubled: 'it''s'" if kind == "'" else ""
            return SqlError(f"{place(text, found.start())}: This {what} is never closed{hint}.")
        position = closed.end()
    return SqlError("The statement cannot be read; a quote or comment in it is never closed.")


def _check(tokens: Sequence[Token]) -> None:
    depth = 0
    for token in planning_time.checked(tokens):
        kind = token.token_type
        if kind == TokenType.SEMICOLON:
            raise SqlError("One statement at a time: this text has several, separated by semicolons.", token.start)
        if kind == TokenType.PIPE_GT:
            raise SqlError("The pipe syntax |> is not supported.", token.start)
        if kind == TokenType.VAR and (meant := _TYPOGRAPHIC.get(token.text[0])):
            raise SqlError(f"{token.text[0]} is no quote of SQL; write {meant} in its place.", token.start)
        if kind in _OPEN:
            depth += 1
            if depth > MAX_DEPTH:
                raise SqlError(f"Parentheses nest deeper than {MAX_DEPTH}.")
        elif kind in _CLOSE:
            depth -= 1


def _bind(text: str, tokens: Sequence[Token], params: Params, dialect: str) -> tuple[str, tuple[Binding, ...]]:
    """Return the text with each parameter written as a literal, and where these are.

    Raises:
        SqlError: there are more or fewer parameters than values, or a value has no literal.
    """
    named = isinstance(params, dict)
    values = None if named or params is None else list(params)
    used: set[str] = set()
    out: list[str] = []
    bindings: list[Binding] = []
    position, count, length = 0, 0, 0
    around = zip((None, *tokens[:-1]), tokens, (*tokens[1:], None), strict=False)
    for before, token, after in planning_time.checked(around):
        if token.token_type == TokenType.PLACEHOLDER:
            if values is None:
                raise SqlError("The statement has ? for a parameter, but the request gives parameters by name.")
            if count >= len(values):
                raise SqlError(f"The statement has more parameters than the {len(values)} values given.")
            literal, count, end = render(values[count], dialect), count + 1, token.end
        elif named and after and _names_parameter(before, token, after):
            assert isinstance(params, dict)  # noqa: S101 - what `named` says
            if after.text not in params:
                raise SqlError(f"The parameter :{after.text} has no value.")
            used.add(after.text)
            literal, end = render(params[after.text], dialect), after.end
        else:
            continue
        out += [text[position : token.start], literal]
        start = length + token.start - position
        length = start + len(literal)
        bindings.append(Binding(start, length, token.start, end + 1))
        position = end + 1
    if values is not None and count != len(values):
        raise SqlError(f"The statement has {count} parameters, but {len(values)} values are given.")
    if named and (unused := set(params or ()) - used):
        raise SqlError(f"The statement has no parameter :{min(unused)}.")
    return "".join([*out, text[position:]]), tuple(bindings)


def _names_parameter(before: Token | None, token: Token, after: Token) -> bool:
    """Return whether a colon begins a parameter, and is not part of `struct<a:int>` or of an array's slice."""
    return (
        token.token_type == TokenType.COLON
        and after.start == token.end + 1
        and after.text.isidentifier()
        and (before is None or before.end + 1 != token.start or not (before.text[-1:].isalnum() or before.text in ")]"))
    )
