"""The messages of engines that need other words, by their text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from icefield_sql.lang.equivalents import KNOWN_TYPES, TYPES
from icefield_sql.lang.suggestions import either, nearest

from .written_text import WrittenText

_SHOWN = 100
_LISTED = 8
_KEYWORDS = ("DISTINCT", "INTERVAL", "CURRENT_DATE", "CURRENT_TIMESTAMP", "NULL", "TRUE", "FALSE")
_DUCKDB_TYPES = {
    "INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INT", "INT64": "BIGINT", "INT128": "DECIMAL(38, 0)",
    "INTEGER": "INT", "VARCHAR": "STRING", "BLOB": "BINARY", "BOOL": "BOOLEAN", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
}  # fmt: skip


class Reworded(NamedTuple):
    """A sentence, and the position in the author's text that it is about."""

    sentence: str
    at: int | None = None


Rule = Callable[[re.Match[str], WrittenText], Reworded]


def reworded(text: str, written: WrittenText) -> Reworded:
    """Return what to say in place of an engine's message.

    Args:
        text: the message, cleared of what is said of every error.
        written: the statement.
    """
    for pattern, rule in _RULES:
        if found := pattern.search(text):
            return rule(found, written)
    return Reworded(text, _place_of_value(text, written))


def _place_of_value(text: str, written: WrittenText) -> int | None:
    """Return where the text is that a message quotes."""
    quoted = re.search(r"'([^']{1,100})'", text)
    return written.find_string(quoted[1]) if quoted else None


def _column(match: re.Match[str], written: WrittenText) -> Reworded:
    parts = _parts(match["name"])
    known = [".".join(_parts(one)) for one in (match["known"] or "").split(", ") if one]
    return _no_column(parts, known, written)


def _no_column(parts: list[str], known: list[str], written: WrittenText) -> Reworded:
    name, at = ".".join(parts), written.find(*parts)
    sentence = f"There is no column {_cut(name)}"
    if at is not None and written.is_double_quoted(at):
        return Reworded(f"{sentence}; a string stands in single quotes: '{_cut(name)}'.", at)
    near = nearest(name, known) or nearest(parts[-1], known) or nearest(name, _KEYWORDS)
    found = [one for one in near if one.lower() != name.lower()]
    if found:
        return Reworded(f"{sentence}; did you mean {either(found)}?", at)
    listed = f"; here are: {', '.join(known[:_LISTED])}{', …' if len(known) > _LISTED else ''}" if known else ""
    return Reworded(f"{sentence}{listed}.", at)


def _duckdb_column(match: re.Match[str], written: WrittenText) -> Reworded:
    return _no_column([match["name"]], re.findall(r'"([^"]+)"', match["known"] or ""), written)


def _duckdb_column_of(match: re.Match[str], written: WrittenText) -> Reworded:
    known = [f"{match['table']}.{one}" for one in re.findall(r'"([^"]+)"', match["known"] or "")]
    return _no_column([match["table"], match["name"]], known, written)


def _no_source(match: re.Match[str], written: WrittenText) -> Reworded:
    name = match["name"]
    known = re.findall(r'"([^"]+)"', match["known"] or "") if "known" in match.re.groupindex else []
    found = nearest(name, known)
    hint = f"did you mean {either(found)}?" if found else "it is neither a table's name nor an alias."
    return Reworded(f"There is no {name} in FROM; {hint}", written.find(name))


def _field(match: re.Match[str], written: WrittenText) -> Reworded:
    known = re.findall(r"[^\s,`\"]+", match["known"])
    found = nearest(match["name"], known)
    hint = f"did you mean {either(found)}?" if found else f"there are {', '.join(known)}."
    return Reworded(f"There is no field {match['name']}; {hint}", written.find(match["name"]))


def _ambiguous(match: re.Match[str], written: WrittenText) -> Reworded:
    known = [one.strip(' `"') for one in re.split(r", | or ", match["known"])]
    name = match["name"]
    return Reworded(f"The column {name} is ambiguous; it may be {either(sorted(known))}.", written.find(name))


def _no_aggregate(match: re.Match[str], written: WrittenText) -> Reworded:
    name = match["name"]
    return Reworded(
        f"The column {name} must be in GROUP BY, or in an aggregate such as any_value({name}).",
        written.find(*name.split(".")),
    )


def _bad_value(match: re.Match[str], written: WrittenText) -> Reworded:
    groups = match.groupdict()
    target, value = groups.get("type"), match["value"]
    to = f" cannot be cast to {_type(target)}" if target else " is no such value"
    return Reworded(f"The value '{_cut(value)}'{to}; TRY_CAST gives NULL in its place.", written.find_string(value))


def _bad_field(match: re.Match[str], written: WrittenText) -> Reworded:
    return _bad_value_of(match["value"], match["kind"].upper(), written)


def _bad_value_of(value: str, target: str, written: WrittenText) -> Reworded:
    return Reworded(
        f"The value '{_cut(value)}' cannot be cast to {target}; TRY_CAST gives NULL in its place.",
        written.find_string(value),
    )


def _out_of_range(match: re.Match[str], written: WrittenText) -> Reworded:
    value, target = match["value"], _type(match["type"])
    return Reworded(
        f"The value {_cut(value)} is out of range for {target}; TRY_CAST gives NULL in its place.", written.find(value)
    )


def _bad_format(match: re.Match[str], written: WrittenText) -> Reworded:
    value = match["value"]
    return Reworded(
        f"The value '{_cut(value)}' does not have the format that is given; try_to_timestamp gives NULL in its place.",
        written.find_string(value),
    )


def _bad_pattern(match: re.Match[str], written: WrittenText) -> Reworded:
    pattern = match["pattern"]
    return Reworded(
        f"The pattern '{_cut(pattern)}' is not one of Spark SQL: yyyy is the year, MM the month, dd the day, HH the "
        "hour, mm the minute, ss the second.",
        written.find_string(pattern),
    )


def _arguments(match: re.Match[str], written: WrittenText) -> Reworded:
    wanted = either(re.findall(r"\d+", match["wanted"]))
    noun = "argument" if wanted == "1" else "arguments"
    return Reworded(
        f"The function {match['name']} takes {wanted} {noun}, not {match['given']}.", written.find(match["name"])
    )


def _mismatch(match: re.Match[str], written: WrittenText) -> Reworded:
    why, expression = match["why"].strip(), match["expression"]
    is_joined = "binary operator" in why and '"STRING"' in why and "+" in expression
    hint = "; strings are joined by ||" if is_joined else ""
    return Reworded(f"In {_cut(expression)}, {why[:1].lower()}{why[1:].rstrip('.')}{hint}.")


def _columns_of_rows(match: re.Match[str], written: WrittenText) -> Reworded:
    given = [one for one in match["given"].split(", ") if not one.startswith(("CAST(NULL", "`CAST(NULL"))]
    known = match["known"].replace("`", "")
    values = "value" if len(given) == 1 else "values"
    return Reworded(
        f"{_name(match['table'])} has the columns {known}; the rows have {len(given)} {values}.",
        written.find(*_parts(match["table"])),
    )


def _data_type(match: re.Match[str], written: WrittenText) -> Reworded:
    name = match["name"]
    if known := TYPES.get(name.split("(")[0].lower()):
        return Reworded(f"The type {name} is not Spark SQL; write {known}.", written.find(name.split("(")[0]))
    found = nearest(name, KNOWN_TYPES)
    hint = f"did you mean {found[0].upper()}?" if found else f"these are: {', '.join(KNOWN_TYPES)}."
    return Reworded(f"There is no type {name}; {hint}", written.find(name))


def _exists(match: re.Match[str], written: WrittenText) -> Reworded:
    name, kind = _name(match["name"]), match["kind"].split()[0]
    return Reworded(f"The {kind} {name} exists already.", written.find(*_parts(match["name"])))


def _no_namespace(match: re.Match[str], written: WrittenText) -> Reworded:
    name = _name(match["name"])
    return Reworded(f"There is no database {name}; SHOW DATABASES lists those that are.", written.find(*_parts(name)))


def _not_empty(match: re.Match[str], written: WrittenText) -> Reworded:
    name = _name(match["name"])
    return Reworded(f"The database {name} has tables or views; drop them first.", written.find(*_parts(name)))


def _no_view(match: re.Match[str], written: WrittenText) -> Reworded:
    name = _name(match["name"])
    return Reworded(f"There is no view {name}.", written.find(*_parts(name)))


def _no_such_column(match: re.Match[str], written: WrittenText) -> Reworded:
    known = re.findall(r"\|-- (\w+):", match["known"])
    return _no_column(_parts(match["name"]), known, written)


def _syntax(match: re.Match[str], written: WrittenText) -> Reworded:
    what, why = match["what"].strip("'\""), match["why"] or ""
    if what == "end of input":
        return Reworded("The statement ends where more is expected.")
    missing = re.search(r"missing ('[^']*'|\w+)", why)
    return Reworded(f"{what} is not expected here" + (f"; {missing[1]} is missing before it." if missing else "."))


def _twice(match: re.Match[str], written: WrittenText) -> Reworded:
    name = match["name"]
    return Reworded(f"There is a column {name} already.", written.find(*_parts(name)))


def _overflow(match: re.Match[str], written: WrittenText) -> Reworded:
    return Reworded(f"{match['what']} is out of range for {_type(match['type'])}; {_TRIED[match['how']]} gives NULL.")


_TRIED = {"addition": "try_add", "subtraction": "try_subtract", "multiplication": "try_multiply"}


def _not_boolean(match: re.Match[str], written: WrittenText) -> Reworded:
    return Reworded(f"The condition {_cut(match['expression'])} is of the type {match['type']}, not BOOLEAN.")


def _said(sentence: str) -> Rule:
    return lambda match, written: Reworded(sentence)


def _type(name: str) -> str:
    plain = name.strip('"').upper()
    return _DUCKDB_TYPES.get(plain, plain)


def _name(text: str) -> str:
    return ".".join(_parts(text))


def _parts(text: str) -> list[str]:
    """Return the parts of a name that an engine wrote, without their quotes."""
    return [part.replace("``", "`") for quoted, bare in _PART.findall(text) if (part := quoted or bare)]


_PART = re.compile(r"`((?:[^`]|``)*)`|([^.`\s]+)")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


_TEXTS: tuple[tuple[str, Rule], ...] = (
    (r"A column, variable, or function parameter with name (?P<name>.+?) cannot be resolved\."
     r"(?: Did you mean one of the following\? \[(?P<known>[^\]]*)\])?", _column),
    (r'^Referenced column "(?P<name>[^"]+)" (?:not found|was not found).*?(?:Candidate bindings: (?P<known>.*))?$',
     _duckdb_column),
    (r'^Column "(?P<name>[^"]+)" referenced that exists in the SELECT clause(?P<known>)', _duckdb_column),
    (r'^Table "(?P<table>[^"]+)" does not have a column named "(?P<name>[^"]+)"\s*'
     r"(?:Candidate bindings: :?(?P<known>.*))?", _duckdb_column_of),
    (r'^Referenced table "(?P<name>[^"]+)" not found!\s*(?:Candidate tables: (?P<known>.*))?', _no_source),
    (r"Cannot resolve (?P<name>\w+)\.\* given input columns", _no_source),
    (r"No such struct field `?(?P<name>[^`\s]+)`? in (?P<known>[^.]+)\.", _field),
    (r'Could not find key "(?P<name>[^"]+)" in struct\s*Candidate Entries: (?P<known>.*)', _field),
    (r"Reference `?(?P<name>[^`\s]+)`? is ambiguous, could be: \[(?P<known>[^\]]*)\]", _ambiguous),
    (r'^Ambiguous reference to column name "(?P<name>[^"]+)" \(use: (?P<known>.*)\)', _ambiguous),
    (r'^column "(?P<name>[^"]+)" must appear in the GROUP BY clause', _no_aggregate),
    (r'The non-aggregating expression "?(?P<name>[^"\s]+)"? is based on columns', _no_aggregate),
    (r"The query does not include a GROUP BY clause", _said("The query has an aggregate beside columns; add GROUP BY "
                                                            "with these columns, or OVER to the aggregate.")),
    (r"The WHERE condition .* contains invalid expressions|WHERE clause cannot contain aggregates",
     _said("WHERE cannot have an aggregate or a window function; conditions on aggregates stand in HAVING, those on "
           "window functions in QUALIFY.")),
    (r"not allowed to use window functions inside WHERE|WHERE clause cannot contain window functions",
     _said("WHERE cannot have a window function; write the condition in QUALIFY.")),
    (r"The value '(?P<value>.*?)' of the type \"?\w+\"? cannot be cast to \"?(?P<type>[^\"]+?)\"? because it is "
     r"malformed", _bad_value),
    (r"^Could not convert string '(?P<value>.*?)' to (?P<type>\w+)", _bad_value),
    (r'^(?P<kind>date|timestamp|time) field value out of range: "(?P<value>[^"]*)"', _bad_field),
    (r'^invalid (?P<kind>date|timestamp|time) field format: "(?P<value>[^"]*)"', _bad_field),
    (r"^Type \w+ with value (?P<value>.*?) can't be cast because the value is out of range for the destination type "
     r"(?P<type>.+)", _out_of_range),
    (r"The value (?P<value>-?[\d.]+)[LSYD]* of the type \"?[\w(),]+\"? cannot be cast to \"?(?P<type>[\w(),]+)\"? due "
     r"to an overflow", _out_of_range),
    (r'^Could not parse string "(?P<value>[^"]*)" according to format specifier', _bad_format),
    (r"Text '(?P<value>[^']*)' could not be parsed", _bad_format),
    (r"Fail to recognize '(?P<pattern>[^']*)' pattern", _bad_pattern),
    (r"The `?(?P<name>\w+)`? requires (?P<wanted>\[[^\]]*\]|\d+) parameters but the actual number is (?P<given>\d+)",
     _arguments),
    (r'expression "(?P<expression>.+)" of type "?(?P<type>[^"]+?)"? is not a boolean', _not_boolean),
    (r'Cannot resolve "(?P<expression>.+?)" due to data type mismatch: (?P<why>.*)', _mismatch),
    (r"^Overflow in (?P<how>addition|subtraction|multiplication) of (?P<type>\w+) (?P<what>\(.*\))!", _overflow),
    (r"The column `?(?P<name>[^`]+?)`? already exists", _twice),
    (r"Cannot add column, because `?(?P<name>[^`]+?)`? already exists", _twice),
    (r"Cannot write to (?P<table>\S+), the reason is (?:not enough|too many) data columns:\s*"
     r"Table columns: (?P<known>.*?)\.\s*Data columns: (?P<given>.*?)\.?$", _columns_of_rows),
    (r'Unsupported data type "?(?P<name>[^"]+?)"?\.?$', _data_type),
    (r"Cannot create (?P<kind>table or view|view|schema) (?P<name>\S+) because it already exists", _exists),
    (r"The schema (?P<name>\S+) cannot be found", _no_namespace),
    (r"Namespace (?P<name>\S+) does not exist", _no_namespace),
    (r"Namespace (?P<name>\S+) is not empty", _not_empty),
    (r"The view (?P<name>\S+) cannot be found", _no_view),
    (r"Couldn't find column (?P<name>\S+) in:(?P<known>.*)", _no_such_column),
    (r"[Ss]yntax error at or near (?P<what>end of input|'[^']*'|\"[^\"]*\")(?:: (?P<why>[^(]*))?", _syntax),
)  # fmt: skip
_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern, re.DOTALL), rule) for pattern, rule in _TEXTS
)
