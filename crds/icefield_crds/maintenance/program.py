"""What a maintenance run executes: Iceberg's procedures, table after table, on a warehouse.

It runs in the platform's runtime image and is on its own there: of ours it can import nothing.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polnor

PLAN = Path(__file__).with_name("plan.json")
LONGEST_SECONDS = 12 * 3600
ATTEMPTS = 3
PAUSE_SECONDS = 20.0
MAX_PAGES = 1000
DEFAULT_SCHEMA = "default"

_PLAIN = re.compile(r"[A-Za-z_]\w*")
_CONFLICT = re.compile(r"conflict|CommitFailed|concurrent|Cannot commit", re.IGNORECASE)


def main() -> None:
    """Call each procedure for each table and print what it answers as JSON; what failed is named at the end."""
    plan = json.loads(PLAN.read_text(encoding="utf-8"))
    if not os.environ.get("POLNOR_WAREHOUSE_ID"):
        sys.exit("the workspace has no default warehouse, and the maintenance names none")
    tables = [plan["table"]] if plan["table"] else list(tables_of(polnor.Client(), plan["database"]))
    failed: dict[str, str] = {}
    for table in tables:
        for procedure in plan["procedures"]:
            if problem := perform(plan["database"], table, procedure):
                failed.setdefault(table, f"{procedure['name']}: {problem}")
    print(f"{len(tables) - len(failed)} of {len(tables)} tables are maintained", flush=True)
    if failed:
        first = next(iter(failed))
        sys.exit(f"{len(failed)} of {len(tables)} tables failed, first {plan['database']}.{first}: {failed[first]}")


def tables_of(client: Any, database: str) -> Iterator[str]:
    """Yield the tables of a database that have no maintenance of their own, by their names below it.

    Args:
        client: asks the REST API.
        database: name of the database.
    """
    path = f"/databases/{quote(database, safe='')}"
    separate = {name.lower() for name in client.get(f"{path}/maintenance")["separate_tables"]}
    for schema in _all(client, f"{path}/schemas"):
        for table in _all(client, f"{path}/schemas/{quote(schema['name'], safe='')}/tables"):
            name = table["name"] if schema["name"] == DEFAULT_SCHEMA else f"{schema['name']}.{table['name']}"
            if table["kind"] == "table" and name.lower() not in separate:
                yield name


def perform(database: str, table: str, procedure: Mapping[str, Any]) -> str | None:
    """Call a procedure for a table, again when others wrote meanwhile; return why it failed, or None.

    Args:
        database: name of the database.
        table: name of the table below it.
        procedure: what is called.
    """
    for attempt in range(1, ATTEMPTS + 1):
        text = statement(database, table, procedure, datetime.now(UTC))
        started = time.monotonic()
        try:
            answer = polnor.sql(text, timeout=LONGEST_SECONDS).to_dicts()
        except (polnor.SQLError, polnor.PolnorAPIError) as error:
            problem = str(error)
            _report(database, table, procedure, started, {"error": problem, "attempt": attempt})
            if attempt == ATTEMPTS or not _CONFLICT.search(problem):
                return problem
            time.sleep(PAUSE_SECONDS * attempt)
        else:
            _report(database, table, procedure, started, {"result": _summary(answer)})
            return None
    return None


def statement(database: str, table: str, procedure: Mapping[str, Any], now: datetime) -> str:
    """Return the CALL of a procedure for a table.

    Args:
        database: name of the database.
        table: name of the table below it.
        procedure: `name`, `arguments` (SQL texts by parameter) and `older_than_hours`.
        now: the present.
    """
    name = ".".join(_identifier(part) for part in (database, *table.split(".")))
    arguments = {"table": _literal(name)}
    if (hours := procedure["older_than_hours"]) is not None:
        arguments["older_than"] = f"TIMESTAMP '{now - timedelta(hours=hours):%Y-%m-%d %H:%M:%S.%f}+00:00'"
    arguments |= procedure["arguments"]
    return f"CALL system.{procedure['name']}({', '.join(f'{n} => {v}' for n, v in arguments.items())})"


def _all(client: Any, path: str) -> Iterator[Any]:
    cursor = None
    for _ in range(MAX_PAGES):
        page = client.get(path, params={"limit": 200, "cursor": cursor})
        yield from page["data"]
        cursor = page.get("next_cursor")
        if cursor is None:
            return


def _summary(rows: list[dict[str, Any]]) -> Any:
    """Return the one row that a procedure answers with; of remove_orphan_files, which lists files, how many."""
    if rows and "orphan_file_location" in rows[0]:
        return {"orphan_files_count": len(rows)}
    return rows[0] if len(rows) == 1 else {"rows": len(rows)}


def _report(database: str, table: str, procedure: Mapping[str, Any], started: float, more: Mapping[str, Any]) -> None:
    line = {
        "table": f"{database}.{table}",
        "procedure": procedure["name"],
        "seconds": round(time.monotonic() - started, 3),
        **more,
    }
    print(json.dumps(line, default=str, ensure_ascii=False), flush=True)


def _identifier(part: str) -> str:
    return part if _PLAIN.fullmatch(part) else f"`{part.replace('`', '``')}`"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    main()
