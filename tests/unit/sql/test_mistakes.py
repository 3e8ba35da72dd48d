"""What is said of the mistakes that people make in SQL."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from icefield_sql import Compiled

from .mistakes import Mistake, catalog, explained, mistakes, planned, record

_OURS = re.compile(
    r"sqlglot|<class|<Token|TokenType|\$\{|\bacme\b|iceberg_scan|\b_v\b|IllegalState|Exception|JVM|SQLSTATE|LINE \d|"
    r"java\.|spark\.sql|Binder Error|== SQL|tokeniz|\n"
)
"""What no sentence may have: words of our parts, and of engines about settings that nobody here can change."""


@pytest.mark.parametrize("mistake", mistakes(), ids=lambda mistake: mistake["sql"][:60])
async def test_what_is_said(mistake: Mistake) -> None:
    found = await _sentences(mistake)
    assert found == mistake["says"]
    for sentence in found.values():
        assert not _OURS.search(sentence), sentence
        assert sentence.endswith((".", "?"))
        assert len(sentence) < 400


def test_the_positions_are_known() -> None:
    """Of what is said before an engine is asked, nearly all has its place; of engines' messages most."""
    said = [(engine, sentence) for mistake in mistakes() for engine, sentence in mistake["says"].items()]
    for engine, least in (("plan", 0.85), ("spark", 0.6)):
        sentences = [sentence for where, sentence in said if where == engine]
        placed = [sentence for sentence in sentences if sentence.startswith("Line ")]
        assert len(placed) >= least * len(sentences)


async def _sentences(mistake: Mistake) -> dict[str, str]:
    """Return what is said of a statement, by the engine that says it."""
    plan = await planned(mistake["sql"], catalog())
    if isinstance(plan, str):
        return {"plan": plan}
    assert isinstance(plan, Compiled)
    answers: dict[str, Any] = mistake["engines"]
    assert plan.engine.value in answers
    return {engine: explained(mistake["sql"], answer) for engine, answer in answers.items()}


@pytest.mark.skipif(not os.environ.get("UPDATE_GOLDEN"), reason="rewrites mistakes.json")
async def test_record() -> None:
    entries = []
    for entry in mistakes():
        plan = await planned(entry["sql"], catalog())
        if isinstance(plan, str):
            entries.append({"sql": entry["sql"], "says": {"plan": plan}})
        elif "engines" in entry:
            says = {name: explained(entry["sql"], answer) for name, answer in entry["engines"].items()}
            entries.append({**entry, "says": says})
    record(entries)
