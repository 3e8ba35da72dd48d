"""Statements that are not supported, with what does here what they do elsewhere."""

from __future__ import annotations

from icefield_sql.lang.suggestions import nearest

_MAINTENANCE = "POST /api/v1/databases/:id/tables/:table/maintenance"
_STATEMENTS = (
    "SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "DESCRIBE", "SHOW",
    "EXPLAIN", "CALL", "COMMENT", "BEGIN", "COMMIT", "ROLLBACK", "VALUES", "TABLE", "GRANT", "REVOKE",
)  # fmt: skip
_ROLES = "who may do what is decided by roles in the workspace"
_SETTINGS = "settings of the engines cannot be changed"
_NO_CACHE = "each read sees the table as it is, and nothing has to be cached or refreshed"
_TABLES_ONLY = "tables, views and schemas are"
_OBJECTS = ("TABLE", "VIEW", "SCHEMA", "DATABASE", "NAMESPACE")
_SHOWN = 40

_REFUSALS = {
    "ANALYZE": "ANALYZE is not supported; CALL system.compute_table_stats('database.table') collects statistics.",
    "ATTACH": "ATTACH is not supported: statements reach the tables of the workspace and nothing else.",
    "CACHE": f"CACHE is not supported: {_NO_CACHE}.",
    "CLONE": "CLONE is not supported; use CREATE TABLE … AS SELECT.",
    "CONVERT": "CONVERT is not supported; use CREATE TABLE … AS SELECT.",
    "DECLARE": "DECLARE is not supported: statements share no session; give values in params.",
    "EXECUTE": "EXECUTE is not supported; give values in params.",
    "FROM": "A query begins with SELECT: write SELECT … FROM ….",
    "LOAD": "LOAD is not supported; files are uploaded to a volume.",
    "LOCK": "LOCK is not supported: each statement is a transaction of its own, and no read waits for a write.",
    "MSCK": f"MSCK is not supported: the catalog knows every file of a table, and {_NO_CACHE}.",
    "OPTIMIZE": "OPTIMIZE is not supported; CALL system.rewrite_data_files('database.table') rewrites small files, and "
    f"sorts them with sort_order => 'column' or 'zorder(a, b)'; so does {_MAINTENANCE} with the operation compact.",
    "PRAGMA": f"PRAGMA is not supported: {_SETTINGS}.",
    "PREPARE": "PREPARE is not supported; give values in params.",
    "REFRESH": f"REFRESH is not supported: {_NO_CACHE}.",
    "REPLACE": "REPLACE is not supported; use MERGE INTO for rows, and CREATE OR REPLACE TABLE for tables.",
    "RESET": f"RESET is not supported: {_SETTINGS}.",
    "RESTORE": "RESTORE is not supported; CALL system.rollback_to_snapshot('database.table', id) or "
    "rollback_to_timestamp('database.table', TIMESTAMP '…') does it.",
    "SAVEPOINT": "SAVEPOINT is not supported: every statement is a transaction of its own.",
    "SET": f"SET is not supported: {_SETTINGS}.",
    "SUMMARIZE": "SUMMARIZE is not supported; select count(…), min(…), max(…) of the columns.",
    "UNCACHE": f"UNCACHE is not supported: {_NO_CACHE}.",
    "UNDROP": "UNDROP is not supported: a dropped table is gone from the catalog; CREATE TABLE makes a new one.",
    "UPSERT": "UPSERT is not supported; use MERGE INTO.",
    "USE": "USE is not supported: statements share no session; qualify names, or give schema in the request.",
    "VACUUM": "VACUUM is not supported; CALL system.expire_snapshots('database.table') removes old snapshots with "
    "their files, and CALL system.remove_orphan_files(table => 'database.table') files that no snapshot has; so does "
    f"{_MAINTENANCE}.",
}
_CREATIONS = {
    "EXTERNAL": f"CREATE EXTERNAL is not supported; {_TABLES_ONLY}, and where files lie is the catalog's decision.",
    "INDEX": "CREATE INDEX is not supported; PARTITIONED BY of a table, or ALTER TABLE … WRITE ORDERED BY, lets reads "
    "skip files.",
    "MATERIALIZED": "CREATE MATERIALIZED is not supported; use CREATE TABLE … AS SELECT, and a job that repeats it.",
    "SEQUENCE": "CREATE SEQUENCE is not supported; use uuid() or row_number() OVER (…).",
    "TEMP": "CREATE TEMP is not supported: statements share no session; use WITH name AS (…) in the query, or a view.",
    "USER": f"CREATE USER is not supported: {_ROLES}.",
}
_CREATIONS["TEMPORARY"] = _CREATIONS["TEMP"].replace("TEMP ", "TEMPORARY ")
_SHOWS = {
    "FUNCTION": "SHOW FUNCTION is not supported; did you mean SHOW FUNCTIONS?",
    "INDEX": "SHOW INDEX is not supported: tables have partitions and a sort order; SHOW CREATE TABLE shows them.",
    "INDEXES": "SHOW INDEXES is not supported: tables have partitions and a sort order; SHOW CREATE TABLE shows them.",
    "PARTITIONS": "SHOW PARTITIONS is not supported; SELECT * FROM database.table.partitions lists them.",
    "PROCESSLIST": "SHOW PROCESSLIST is not supported; GET /api/v1/sql/statements?status=running lists statements.",
}
_SHOWABLE = (
    "DATABASES", "SCHEMAS", "TABLES", "VIEWS", "COLUMNS", "CREATE TABLE", "CREATE VIEW", "TBLPROPERTIES", "FUNCTIONS",
    "GRANTS",
)  # fmt: skip


def statement_refusal(word: str) -> str:
    """Return the sentence for a statement whose first word is not allowed."""
    word = word.upper()
    if word in _REFUSALS:
        return _REFUSALS[word]
    found = nearest(word, (*_STATEMENTS, *_REFUSALS))
    shown = _cut(word)
    return (
        f"{shown} begins no statement; did you mean {found[0]}?"
        if found
        else (f"{shown} is not a statement that is supported here.")
    )


def creation_refusal(verb: str, word: str) -> str:
    """Return the sentence for a CREATE or DROP of something else than tables, views and schemas."""
    word = word.upper()
    if verb == "CREATE" and word in _CREATIONS:
        return _CREATIONS[word]
    found = nearest(word, _OBJECTS)
    hint = f"did you mean {verb} {found[0]}?" if found else f"{_TABLES_ONLY}."
    return f"{verb} {_cut(word)} is not supported; {hint}"


def show_refusal(word: str) -> str:
    """Return the sentence for a SHOW of something that is not shown."""
    word = word.upper()
    if word in _SHOWS:
        return _SHOWS[word]
    found = nearest(word, _SHOWABLE)
    if found:
        return f"SHOW {_cut(word)} is not supported; did you mean SHOW {found[0]}?"
    return f"SHOW {_cut(word)} is not supported; these are: {', '.join(_SHOWABLE)}."


def _cut(word: str) -> str:
    return word if len(word) <= _SHOWN else word[:_SHOWN] + "…"
