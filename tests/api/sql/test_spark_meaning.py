"""What a caller sees of statements that both engines may run: one meaning, and messages about the text as written."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from tests.integration.engines.pod import Pod

from .site import ended, run

pytestmark = pytest.mark.integration

VALUES = [
    ("unix_timestamp(TIMESTAMP'1969-12-31 23:59:58.5')", -1),
    ("array(1, 2)[0]", 1),
    ("TRY_CAST('1d' AS DOUBLE)", 1.0),
    ("lower('İSTANBUL')", "i\u0307stanbul"),
    ("lower('ΟΔΟΣ')", "οδος"),
    ("upper('ŉ')", "\u02bcN"),
    ("cbrt(27)", 3.0),
    ("CAST(1.10 AS DECIMAL(15,2))", 1.1),
    ("CAST(1.10 AS DECIMAL(16,2))", "1.10"),
]
MESSAGES = [
    ("SELECT id,\n  nam FROM sales.orders", {}, "Line 2, column 3: There is no column nam; did you mean name?"),
    (
        "SELECT name FROM sales.orders WHERE id > ? AND nme = ?",
        {"params": [1, "x"]},
        "Line 1, column 48: There is no column nme; did you mean name?",
    ),
    ("SELECT CAST(name AS INT) FROM sales.orders", {}, "The value 'n0' cannot be cast to INT; TRY_CAST gives NULL"),
    ("SELECT id FROM sales.orders WHERE name", {"engine": "spark"}, "The condition name is of the type STRING"),
    ("SELECT * FROM sales.ordrs", {}, "There is no table or view sales.ordrs; did you mean sales.orders?"),
    ("CREATE TABLE nowhere.t (id INT)", {}, "Line 1, column 14: There is no database nowhere"),
]


async def test_both_engines_have_one_meaning(
    client: httpx.AsyncClient, pod: Pod, orders: pa.Table, outside: Catalog
) -> None:
    for expression, expected in VALUES:
        for engine in ("auto", "spark"):
            answer = await run(client, f"SELECT {expression} AS x", engine=engine, wait_timeout=50)
            assert answer["status"] == "succeeded", answer["error_message"]
            assert answer["rows"] == [[expected]], (expression, engine, answer["engine"])
    await _messages(client)
    await _branches(client, outside)


async def _messages(client: httpx.AsyncClient) -> None:
    for text, more, expected in MESSAGES:
        failed = await run(client, text, wait_timeout=50, **more)
        assert failed["status"] == "failed", text
        assert expected in failed["error_message"]


async def _branches(client: httpx.AsyncClient, outside: Catalog) -> None:
    async def succeed(text: str) -> dict[str, Any]:
        answer = await run(client, text, wait_timeout=50)
        done = answer if "rows" in answer else await ended(client, answer["statement_id"])
        assert done["status"] == "succeeded", done["error_message"]
        return done

    await succeed("ALTER TABLE sales.orders CREATE BRANCH audit")
    written = await succeed("INSERT INTO sales.orders.branch_audit VALUES (10, 'n10')")
    assert [name.partition(".")[2] for name in written["lineage"]["written"]] == ["sales.orders"]
    counted = "SELECT count(*) FROM sales.orders"
    assert (await succeed(counted))["rows"] == [[10]]
    for text in (f"{counted}.branch_audit", f"{counted} FOR VERSION AS OF 'audit'"):
        assert (await succeed(text))["rows"] == [[11]]
    await succeed("ALTER TABLE sales.orders ADD COLUMN more INT")
    for text in ("sales.orders.branch_audit", "sales.orders FOR VERSION AS OF 'audit'"):
        answer = await succeed(f"SELECT * FROM {text} WHERE id = 10")
        assert (answer["columns"], answer["rows"], answer["engine"]) == (
            ["id", "name", "more"],
            [[10, "n10", None]],
            "spark",
        )
    assert (await succeed("DESCRIBE HISTORY sales.orders"))["columns"][0] == "snapshot_id"
    assert len(outside.load_table("sales.orders").refs()) == 2
