"""From an engine's message to one sentence about the statement as its author wrote it.

Engines speak of the text that they were given, of its positions, of names with our catalog in front, and of settings
that nobody can change here. What is left out or reworded is decided by the error class and the words of the message
(Spark 4.0, error-conditions.json; DuckDB 1.4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .rewording import reworded
from .written_text import WrittenText

MAX_READ = 8_000
"""How much of an engine's message is read, in characters."""
MAX_MESSAGE = 2_000
"""Longest message, in characters."""
_CLASS = re.compile(r"^\[[A-Z][A-Z0-9_.]*\] +")
_SQL_STATE = re.compile(r"[;,]? *SQLSTATE: *\w+\.?")
_POSITION = re.compile(r"[;,]? *\(?line (?P<line>\d+),? pos (?P<column>\d+)\)?;?")
_DUCKDB_KIND = re.compile(r"^[A-Z][A-Za-z/ ]* Error: +")
_JAVA = re.compile(r"\b(?:[a-z]\w*\.)+[A-Z]\w*(?:Exception|Error): *")
_SERVER = re.compile(r"(?:Server error: )?\b[A-Z]\w*Exception: +")
_USELESS = (
    re.compile(r'\s*If necessary,? set "spark\.[\w.]+" to "?\w+"? to bypass this error\.?'),
    re.compile(r"\s*Please,? refer to '[^']*' for a fix\.?"),
    re.compile(r"\s*Verify the spelling and correctness of the schema and catalog\.?.*", re.DOTALL),
    re.compile(r"\s*Choose a different name[^.]*\.", re.DOTALL),
    re.compile(r"\s*Choose another name[^.]*\.", re.DOTALL),
    re.compile(r'\s*Use "SET [^"]*" to [^.]*\.', re.DOTALL),
    re.compile(r"\n\n(?:LINE \d+:|Possible solutions:).*", re.DOTALL),
)
_PLAIN_NAME = re.compile(r"`(\w+)`")
_PLAIN_TYPE = re.compile(r'"([A-Z][A-Z_ ]*(?:[(<][^"]*)?)"')


@dataclass(frozen=True)
class EngineMessage:
    """What an engine says.

    Attributes:
        code: the error class, such as UNRESOLVED_COLUMN.WITH_SUGGESTION or BINDER_ERROR.
        text: the message.
    """

    code: str
    text: str


def explain(message: EngineMessage, written: WrittenText, catalog: str) -> str:
    """Return one sentence about a statement that failed, with the line and column where that is known.

    Args:
        message: what the engine says.
        written: the statement, as its author and as the engine has it.
        catalog: name of the catalog, which stands in front of names for the engine alone.
    """
    text = message.text[:MAX_READ]
    position = _POSITION.search(text)
    text = _CLASS.sub("", _POSITION.sub("", _SQL_STATE.sub("", text)).strip())
    for useless in _USELESS:
        text = useless.sub("", text)
    text = _without_catalog(_SERVER.sub("", _JAVA.sub("", _DUCKDB_KIND.sub("", text))), catalog)
    found = reworded(text, written)
    at = found.at
    if at is None and position is not None:
        at = written.from_engine(int(position["line"]), int(position["column"]))
    sentence = _sentence(found.sentence)
    return sentence if at is None else f"{written.place(at)}: {sentence}"


def _without_catalog(text: str, catalog: str) -> str:
    """Return a message without the catalog in front of names."""
    name = re.escape(catalog)
    return re.sub(rf"(?:`{name}`|\b{name})\.(?=[`\w])", "", text)


def _sentence(text: str) -> str:
    flat = " ".join(_PLAIN_TYPE.sub(r"\1", _PLAIN_NAME.sub(r"\1", text)).split()).rstrip(" ;,")
    flat = flat[:1].upper() + flat[1:]
    if len(flat) > MAX_MESSAGE:
        flat = flat[: MAX_MESSAGE - 1] + "…"
    flat = re.sub(r"([.?!])\.$", r"\1", flat)
    return flat if flat.endswith((".", "?", "!", "…")) or not flat else f"{flat}."
