"""What planning may take: time of a processor, and text that grows with each level."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table
from icefield_sql.analysis import parse as parsing
from icefield_sql.lang import planning_time
from icefield_sql.lang.timed import TimedParser

from .catalog import MemoryCatalog

compiling = import_module("icefield_sql.compile")
NAMES = Names("acme", schema=("demo",))
CATALOG = MemoryCatalog({"demo.t": Table("t", 1, columns=(Column("id", "bigint"), Column("s", "string")))})
LONG = f"SELECT id FROM t WHERE id IN ({', '.join(map(str, range(500)))})"


async def plan(text: str) -> sql.Compiled:
    return sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG))


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
def test_a_text_that_takes_too_long_to_read_is_refused(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "PARSE_SECONDS", 0.0)
    with pytest.raises(SqlError, match="takes too long to read; make several of it"):
        sql.parse(LONG, NAMES, dialect=dialect)


async def test_what_takes_too_long_to_translate_runs_on_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await plan(LONG)).engine is Engine.DUCKDB
    statement = sql.parse(LONG, NAMES)
    # Each look at the clock is a second later than the one before.
    monkeypatch.setattr(planning_time.time, "thread_time", iter(range(1_000_000)).__next__)
    resolved = await sql.resolve(statement, CATALOG)
    compiled = sql.compile(resolved)
    assert (compiled.engine, compiled.warnings) == (Engine.SPARK, ("Runs on Spark: its translation takes too long.",))
    with pytest.raises(SqlError, match="its translation takes too long"):
        sql.compile(resolved, "duckdb")


@pytest.mark.parametrize("looks", range(4))
def test_each_step_of_reading_looks_at_the_time(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look starts the time; then look the checks of tokens, of parts, of chains, and the search for names."""
    monkeypatch.setattr(parsing, "PARSE_SECONDS", looks + 0.5)
    monkeypatch.setattr(planning_time.time, "thread_time", iter(range(1_000_000)).__next__)
    with pytest.raises(SqlError, match="takes too long to read"):
        sql.parse("SELECT id = 1 AND id = 2 FROM t", NAMES)


@pytest.mark.parametrize("looks", range(3))
async def test_each_step_of_a_translation_looks_at_the_time(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = await sql.resolve(sql.parse("SELECT * FROM t", NAMES), CATALOG)
    assert sql.compile(resolved).engine is Engine.DUCKDB
    monkeypatch.setattr(compiling, "TRANSLATION_SECONDS", looks + 0.5)
    monkeypatch.setattr(planning_time.time, "thread_time", iter(range(1_000_000)).__next__)
    assert sql.compile(resolved).warnings == ("Runs on Spark: its translation takes too long.",)


def test_a_loop_looks_at_the_time_now_and_then() -> None:
    with planning_time.limited_to(0.02), pytest.raises(planning_time.OutOfTimeError):
        for _ in planning_time.checked(iter(int, 1)):
            pass
    assert list(planning_time.checked(range(1000))) == list(range(1000))


def test_the_time_of_a_context_ends_with_it() -> None:
    with planning_time.limited_to(0.0), pytest.raises(planning_time.OutOfTimeError):
        while True:
            planning_time.check()
    planning_time.check()


def test_an_inner_limit_does_not_lift_an_outer_one() -> None:
    with planning_time.limited_to(0.0), planning_time.limited_to(60.0), pytest.raises(planning_time.OutOfTimeError):
        while True:
            planning_time.check()


@pytest.mark.parametrize(
    ("wrap", "levels"),
    [
        *(("CAST(CAST({} AS STRING) AS BIGINT)", levels) for levels in (1, 2, 4, 8, 16)),
        *(("abs(CAST({} AS INT))", levels) for levels in (1, 4, 16)),
        *(("array({0}, {0})", levels) for levels in (1, 4, 10)),
        *(("if(id > 1, {0}, {0})", levels) for levels in (1, 4, 10)),
    ],
)
async def test_a_translation_does_not_grow_without_bound(wrap: str, levels: int) -> None:
    expression = "id"
    for _ in range(levels):
        expression = wrap.format(expression)
    compiled = await plan(f"SELECT {expression} AS x FROM t")
    assert len(compiled.sql) < 1_000_000
    if compiled.engine is Engine.SPARK:
        assert len(compiled.sql) < 2 * len(expression) + 1000


TYPE_WORDS = (
    "int date decimal varchar char timestamp struct float binary bit enum time vector variant array map interval json"
)


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize("word", TYPE_WORDS.split())
@pytest.mark.parametrize("text", ["SELECT {} FROM t", "SELECT CAST(id AS {}) FROM t", "SELECT id FROM {}"])
@pytest.mark.parametrize("level", ["{w}({})", "{w}[{}]", "{w}({} + 1) 'a' + 1", "{w}<{}>"])
def test_the_steps_of_the_grammar_do_not_double_with_each_level(
    dialect: str, word: str, text: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call may begin as a type does, and is then read twice."""
    steps: list[int] = []
    advance = TimedParser._advance

    def counted(parser: TimedParser, times: int = 1) -> None:
        steps[-1] += 1
        advance(parser, times)

    monkeypatch.setattr(TimedParser, "_advance", counted)
    for levels in (8, 16):
        steps.append(0)
        inner = "1"
        for _ in range(levels):
            inner = level.replace("{w}", word).replace("{}", inner)
        with suppress(SqlError):
            sql.parse(text.format(inner), NAMES, dialect=dialect)
    assert steps[1] < 5 * steps[0]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("SELECT decimal(1, 2) '1.5' AS x", "SELECT CAST('1.5' AS DECIMAL(1, 2)) AS x"),
        ("SELECT date('2026-01-01') AS x", "SELECT date('2026-01-01') AS x"),
        ("SELECT DATE '2026-01-01' AS x", "SELECT CAST('2026-01-01' AS DATE) AS x"),
        ("SELECT int(int(int('1'))) AS x", "SELECT int(int(int('1'))) AS x"),
        ("SELECT map(1, 2)[map(0, 1)[0]] AS x", "SELECT map(1, 2)[map(0, 1)[0]] AS x"),
    ],
)
def test_what_may_be_a_type_or_a_call_is_read_as_before(text: str, same: str) -> None:
    tree = sql.parse(text, NAMES).tree
    assert tree is not None
    assert tree.sql("spark", normalize_functions=False) == same
