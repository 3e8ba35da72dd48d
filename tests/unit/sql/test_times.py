"""Times in TIMESTAMP AS OF: those that there are not are refused, those that only Spark reads are left to it."""

from __future__ import annotations

import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table
from icefield_sql.compile import Choice

from .catalog import MemoryCatalog

NAMES = Names("acme", schema=("demo",))
CATALOG = MemoryCatalog({"demo.t": Table("t", 1, columns=(Column("id", "bigint"),))})


async def plan(text: str, engine: Choice = "auto") -> sql.Compiled:
    return sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG), engine)


@pytest.mark.parametrize("engine", ["auto", "spark"])
@pytest.mark.parametrize(
    "moment",
    [
        *("1e400", "1e300", "99999999999999", "253402300800", "-1e400", "-62135596801", "NaN"),
        *("'0001-01-01T00:00:00+23:00'", "'99999-01-01'", "'-1-01-01'", "'0000-01-01'", "'NaN'", "'hello'"),
        *("DATE '99999-01-01'", "CAST('NaN' AS DOUBLE)", "(1e400)"),
    ],
)
async def test_there_is_no_such_time(moment: str, engine: Choice) -> None:
    with pytest.raises(SqlError, match=r"^TIMESTAMP AS OF takes a time in the years 1 to 9999"):
        await plan(f"SELECT id FROM t FOR TIMESTAMP AS OF {moment}", engine)


@pytest.mark.parametrize("moment", ["'2026-6-1'", "'now'", "current_timestamp()", "'2026-06'", "1 + 1"])
async def test_times_that_only_spark_reads_are_left_to_it(moment: str) -> None:
    assert (await plan(f"SELECT id FROM t FOR TIMESTAMP AS OF {moment}")).engine is Engine.SPARK
