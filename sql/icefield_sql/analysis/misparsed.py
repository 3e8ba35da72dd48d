"""What is wrong with a text that does not parse, in words of its author: sqlglot's are those of its grammar."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang.dialects import MisparsedError
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.suggestions import nearest

_KEYWORDS = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "QUALIFY", "JOIN", "LEFT",
    "RIGHT", "INNER", "OUTER", "CROSS", "USING", "UNION", "INTERSECT", "EXCEPT", "WITH", "VALUES", "INSERT", "INTO",
    "UPDATE", "DELETE", "MERGE", "MATCHED", "BETWEEN", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "OVER", "PARTITION",
    "WINDOW", "LATERAL", "VIEW", "EXISTS", "DESC",
)  # fmt: skip
_OPEN = {TokenType.L_PAREN: "(", TokenType.L_BRACKET: "[", TokenType.L_BRACE: "{"}
_CLOSE = {TokenType.R_PAREN: "(", TokenType.R_BRACKET: "[", TokenType.R_BRACE: "{"}
_NAMES = (TokenType.VAR, TokenType.IDENTIFIER)
_VALUES = (*_NAMES, TokenType.STRING, TokenType.NUMBER)
_MISSPELT = 0.75
_SHOWN = 40
_EXPECTED = {
    "Expecting )": "a closing parenthesis",
    "Expecting (": "an opening parenthesis",
    "Expecting ]": "a closing bracket ]",
    "Expecting }": "a closing brace }",
    "Expected END after CASE": "END, which closes CASE,",
    "Expected AS after CAST": "AS with a type, as in CAST(x AS INT),",
    "Expected TYPE after CAST": "a type",
}
_HINTS = {
    "TOP": "TOP is not Spark SQL; write LIMIT at the end",
    "RETURNING": "RETURNING is not Spark SQL; select the rows afterwards",
    "ON CONFLICT": "ON CONFLICT is not Spark SQL; use MERGE INTO",
    "NOLOCK": "table hints are not Spark SQL, and no read waits for a lock here",
}


def misparsed(error: MisparsedError, tokens: Sequence[Token]) -> SqlError:
    """Return the error of a text that does not parse, with its position.

    Args:
        error: what the grammar says.
        tokens: the text's.
    """
    if (unbalanced := _unbalanced(tokens)) is not None:
        return unbalanced
    at = next((index for index, token in enumerate(tokens) if token is error.token), len(tokens))
    if error.is_end:
        at = len(tokens)
    if (hint := _hint(tokens, at)) is not None:
        return hint
    if (misspelt := _misspelt(tokens, at)) is not None:
        return misspelt
    wanted = next((words for start, words in _EXPECTED.items() if error.message.startswith(start)), None)
    if at >= len(tokens):
        last = tokens[-1]
        after = f"after {shown(last)}"
        return SqlError(f"The statement ends where {wanted or 'more'} is expected, {after}.", last.start)
    token = tokens[at]
    if wanted:
        return SqlError(f"{wanted[0].upper()}{wanted[1:]} is expected here, not {shown(token)}.", token.start)
    return SqlError(f"{_unexpected(tokens, at)}.", token.start)


def shown(token: Token) -> str:
    """Return a token as a sentence repeats it."""
    text = f"'{token.text}'" if token.token_type in (TokenType.STRING, TokenType.RAW_STRING) else token.text
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def check_commas(tokens: Sequence[Token]) -> None:
    """Refuse a comma that nothing follows, which the grammar overlooks and Spark does not.

    Raises:
        SqlError: there is one.
    """
    for before, token in zip(tokens, [*tokens[1:], None], strict=False):
        if before.token_type != TokenType.COMMA:
            continue
        ends = token is None or token.token_type in _AFTER_LIST
        if ends:
            after = "the end of the statement" if token is None else shown(token)
            raise SqlError(f"Nothing stands between this comma and {after}.", before.start)


def check_cases(tokens: Sequence[Token]) -> None:
    """Refuse a WHEN without its THEN, which the grammar overlooks and Spark does not.

    Raises:
        SqlError: there is one.
    """
    whens = [token for token in tokens if token.token_type == TokenType.WHEN]
    if len(whens) > sum(token.token_type == TokenType.THEN for token in tokens):
        raise SqlError("THEN is missing after this WHEN and its condition.", whens[-1].start)


_AFTER_LIST = frozenset(
    {
        *_CLOSE, TokenType.COMMA, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY,
        TokenType.HAVING, TokenType.UNION,
    }
)  # fmt: skip


def _unbalanced(tokens: Sequence[Token]) -> SqlError | None:
    opened: list[Token] = []
    for token in tokens:
        if token.token_type in _OPEN:
            opened.append(token)
        elif kind := _CLOSE.get(token.token_type):
            if not opened or _OPEN[opened[-1].token_type] != kind:
                return SqlError(f"This {token.text} closes nothing.", token.start)
            opened.pop()
    return SqlError(f"This {opened[-1].text} is never closed.", opened[-1].start) if opened else None


def _hint(tokens: Sequence[Token], at: int) -> SqlError | None:
    for index in range(max(0, at - 1), min(len(tokens), at + 2)):
        words = [tokens[index].text.upper()]
        if index + 1 < len(tokens):
            words.append(f"{words[0]} {tokens[index + 1].text.upper()}")
        for word in words:
            if (hint := _HINTS.get(word)) and tokens[index].token_type not in (TokenType.IDENTIFIER, TokenType.STRING):
                return SqlError(f"{hint}.", tokens[index].start)
    return None


def _misspelt(tokens: Sequence[Token], at: int) -> SqlError | None:
    """Return the error of a keyword that is misspelt, at or shortly before the word that does not fit."""
    for index in range(at, max(-1, at - 3), -1):
        if index >= len(tokens) or tokens[index].token_type != TokenType.VAR or _is_dotted(tokens, index):
            continue
        word, before = tokens[index].text.upper(), tokens[index - 1].text.upper() if index else ""
        if before in ("ORDER", "GROUP", "PARTITION") and len(word) <= 3:
            return SqlError(f"BY is expected here, not {shown(tokens[index])}.", tokens[index].start)
        if len(word) > 2 and (found := nearest(word, _KEYWORDS, _MISSPELT)) and word not in _KEYWORDS:
            return SqlError(
                f"{shown(tokens[index])} is not expected here; did you mean {found[0]}?", tokens[index].start
            )
    return None


def _is_dotted(tokens: Sequence[Token], index: int) -> bool:
    around = (tokens[index - 1] if index else None, tokens[index + 1] if index + 1 < len(tokens) else None)
    return any(token is not None and token.token_type == TokenType.DOT for token in around)


def _unexpected(tokens: Sequence[Token], at: int) -> str:
    token, before = tokens[at], tokens[at - 1] if at else None
    text = f"{shown(token)} is not expected here"
    if before is not None and token.token_type in _VALUES and before.token_type in (*_VALUES, TokenType.R_PAREN):
        return f"{text}; a comma or an operator may be missing before it"
    if before is not None and token.token_type in _AFTER_LIST | {TokenType.EQ}:
        return f"{text}, after {shown(before)}"
    return text
