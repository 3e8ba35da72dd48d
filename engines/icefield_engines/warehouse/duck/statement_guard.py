"""The gateway's own check of SQL for DuckDB, independent of the API server's: one read of tables and files.

The settings of the database refuse access outside the workspace. What they allow is refused here: files in the
platform's own folders of the workspace, spilled data of other statements, settings, secrets, and DuckDB's own tables.
DuckDB itself parses the SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb

from icefield_engines.warehouse.errors import Code, EngineError

from .file_guard import FILE_FUNCTIONS, keeps_bad_rows, problem_of_call

_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE)?\b", re.IGNORECASE)
_TABLE_FUNCTIONS = frozenset(
    {"iceberg_scan", "unnest", "range", "generate_series", "repeat", "repeat_row", "json_each", "json_tree"}
)
_REFUSED_FUNCTIONS = frozenset({"current_setting", "getenv", "getvariable", "write_log", "nextval", "currval"})
_TOO_DEEP = "The statement nests too deep for DuckDB."
_NO_READ = "The warehouse's DuckDB runs nothing but reads."
REMEMBERED_TEXTS = 512
LONGEST_REMEMBERED_TEXT = 16 * 1024
"""Characters: so that the remembered texts stay below some megabytes."""
Tree = dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """What was found of a statement: why it is refused, if it is, whether it reads files and keeps bad rows."""

    refusal: str | None = None
    reads_files: bool = False
    keeps_bad_rows: bool = False


class StatementGuard:
    """Checks statements; what it finds of a text depends on the text alone, so it is remembered."""

    def __init__(self, database: duckdb.DuckDBPyConnection, root: str) -> None:
        """Parse with this database, whose configuration is locked; files are read below this s3:// URL."""
        self._database = database
        self.root = root
        self._remembered = lru_cache(REMEMBERED_TEXTS)(self._find)

    def check(self, sql: str, tables: frozenset[str] = frozenset()) -> Checked:
        """Refuse everything but one SELECT, or the EXPLAIN of one, over Iceberg tables and files.

        Args:
            sql: the statement.
            tables: names of tables of its own, in lower case.

        Raises:
            EngineError: STATEMENT_NOT_ALLOWED.
            duckdb.Error: it does not parse.
        """
        find = self._remembered if len(sql) <= LONGEST_REMEMBERED_TEXT else self._find
        checked = find(sql, tables)
        if checked.refusal:
            raise EngineError(Code.STATEMENT_NOT_ALLOWED, checked.refusal)
        return checked

    def _find(self, sql: str, tables: frozenset[str]) -> Checked:
        with self._database.cursor() as connection:
            try:
                return _check(connection, sql, tables, self.root)
            except EngineError as error:
                return Checked(error.message)
            except RecursionError:
                return Checked(_TOO_DEEP)


def _check(connection: duckdb.DuckDBPyConnection, sql: str, tables: frozenset[str], root: str) -> Checked:
    """Return what was found of a statement that is allowed."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise _refusal("One statement at a time is run.")
    if statements[0].type == duckdb.StatementType.EXPLAIN and (explain := _EXPLAIN.match(sql)):
        return _check(connection, sql[explain.end() :], tables, root)
    if statements[0].type != duckdb.StatementType.SELECT:
        raise _refusal(_NO_READ)
    found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    tree: Tree = json.loads(found[0]) if found else {"error": True}
    if tree["error"]:
        raise _refusal(_NO_READ)
    reads_files = is_keeping = False
    for node, visible in _nodes(tree, tables):
        _refuse_unless_allowed(node, visible)
        if node.get("type") == "TABLE_FUNCTION" and _name_of(node) in FILE_FUNCTIONS:
            reads_files = True
            if problem := problem_of_call(node["function"], root):
                raise _refusal(problem)
            is_keeping = is_keeping or keeps_bad_rows(node["function"])
    return Checked(None, reads_files, is_keeping)


def _nodes(tree: Tree, tables: frozenset[str]) -> Iterator[tuple[Tree, frozenset[str]]]:
    """Yield each node with the names of these tables and of the common table expressions that are visible from it."""
    waiting: list[tuple[Any, frozenset[str]]] = [(tree, tables)]
    while waiting:
        node, visible = waiting.pop()
        if isinstance(node, list):
            waiting += [(part, visible) for part in node]
        elif isinstance(node, dict):
            named = (node.get("cte_map") or {}).get("map", [])
            visible |= {entry["key"].lower() for entry in named}
            waiting += [(part, visible) for part in node.values() if isinstance(part, (dict, list))]
            yield node, visible


def _refuse_unless_allowed(node: Tree, visible: frozenset[str]) -> None:
    kind = node.get("type")
    if kind == "TABLE_FUNCTION":
        name = _name_of(node)
        if name not in _TABLE_FUNCTIONS | FILE_FUNCTIONS:
            raise _refusal(f"The table function {name} is not allowed.")
    elif kind == "BASE_TABLE":
        if node["catalog_name"] or node["schema_name"] or node["table_name"].lower() not in visible:
            raise _refusal(f"There is no table {node['table_name']} here.")
    elif kind == "SHOW_REF":
        raise _refusal(_NO_READ)
    elif kind == "FUNCTION" and str(node.get("function_name", "")).lower() in _REFUSED_FUNCTIONS:
        raise _refusal(f"The function {node['function_name']} is not allowed.")


def _name_of(node: Tree) -> str:
    return str(node["function"].get("function_name", "")).lower()


def _refusal(sentence: str) -> EngineError:
    return EngineError(Code.STATEMENT_NOT_ALLOWED, sentence)
