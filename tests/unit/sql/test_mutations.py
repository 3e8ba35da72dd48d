"""Broken statements: whatever a text is, the plan answers with its own errors, never with a crash."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

import icefield_sql as plan_sql
from icefield_sql import Column, Names, SqlError, Table, UnresolvedName, parse, resolve

from .catalog import MemoryCatalog
from .parity_table import COLUMNS
from .test_names import LINEAGE
from .test_refused import DUCKDB, SPARK

NAMES = Names("acme", frozenset({"polnor"}), ("demo",))
TABLE = Table("t", 1, columns=tuple(Column(name, kind) for name, kind in COLUMNS.items()))
CATALOG = MemoryCatalog({"demo.t": TABLE, "a.x": TABLE, "a.y": TABLE})
RECORDED = [answer["sql"] for answer in json.loads((Path(__file__).parent / "parity.json").read_text("utf-8"))]
TEXTS = [*RECORDED, *(case[0] for case in LINEAGE), *SPARK, *DUCKDB]
PIECES = [
    "(",
    ")",
    ",",
    "'x'",
    "1",
    "t",
    "i",
    "select",
    "from",
    "*",
    ".",
    "null",
    "[",
    "]",
    "->",
    "{",
    "}",
    ":",
    "0x1F",
]
WORDS = re.compile(r"'[^']*'|\w+|\s+|[^\w\s]")


@pytest.mark.parametrize("seed", range(4))
async def test_no_text_crashes_the_plan(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same mutations in every run
    for _ in range(250):
        text = mutated(dice)
        for dialect in ("icefield", "duckdb"):
            try:
                resolved = await resolve(parse(text, NAMES, dialect=dialect), CATALOG)
                plan_sql.compile(resolved, "auto", 10)
                plan_sql.compile(resolved, "spark", 10)
            except (SqlError, UnresolvedName):
                continue
            except Exception as error:
                pytest.fail(f"{type(error).__name__} of {text!r}: {error}")


def mutated(dice: random.Random) -> str:
    words = WORDS.findall(dice.choice(TEXTS)) or ["x"]
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(words))
        change = dice.choice(("drop", "repeat", "replace", "graft"))
        if change == "drop" and len(words) > 1:
            del words[at]
        elif change == "repeat":
            words.insert(at, dice.choice(words))
        elif change == "replace":
            words[at] = dice.choice(PIECES)
        else:
            words[at] = dice.choice(WORDS.findall(dice.choice(TEXTS)) or ["x"])
    return "".join(words)
