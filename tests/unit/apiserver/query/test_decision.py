"""Which engine runs what, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.errors import BadRequest
from icefield_apiserver.query.decision import Decision, Question, Source, decide
from icefield_apiserver.query.sizes import GIB, Inputs, InputTable

SMALL = Inputs((InputTable("sales.orders", 1000),))
MEDIUM = Inputs((InputTable("sales.orders", 3 * GIB),))
LARGE = Inputs((InputTable("sales.orders", 40 * GIB),))
TO = "sales.summary"


def question(requested: str = "auto", source: Source = Source.QUERY, **more: Any) -> Question:
    fields: dict[str, Any] = {"command": {Source.CHANGE: "INSERT", Source.NOTICE: "SHOW TABLES"}.get(source, "SELECT")}
    return Question(requested, source, **{**fields, "inputs": SMALL, **more})


def summary(decision: Decision) -> tuple[Any, ...]:
    return decision.engine, decision.mode.value, decision.vcpus, decision.on_warehouse, decision.may_move_to_spark


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (question(), ("duckdb", "inline", None, True, False)),
        (question(inputs=LARGE), ("duckdb", "inline", None, True, False)),
        (question("duckdb"), ("duckdb", "inline", None, True, False)),
        (question("polars"), ("polars", "inline", 2, False, False)),
        (question("polars", inputs=MEDIUM), ("polars", "inline", 8, False, False)),
        (question(duckdb_obstacle="it pivots"), ("spark", "inline", None, True, False)),
        (question("duckdb", duckdb_obstacle="it pivots"), ("duckdb", "inline", None, True, False)),
        (question(destination=TO), ("polars", "inline", 2, False, True)),
        (question(destination=TO, inputs=MEDIUM), ("polars", "inline", 8, False, True)),
        (question(destination=TO, inputs=LARGE), ("spark", "submitted", None, False, False)),
        (question(destination=TO, polars_obstacle="A view."), ("spark", "submitted", None, False, False)),
        (question("polars", destination=TO, inputs=LARGE), ("polars", "inline", 32, False, False)),
        (question("spark", destination=TO), ("spark", "submitted", None, False, False)),
        (question(source=Source.SCRIPT), ("polars", "inline", 2, False, False)),
        (question("polars", Source.SCRIPT, destination=TO), ("polars", "inline", 2, False, False)),
        (question(source=Source.NOTICE), ("duckdb", "inline", None, True, False)),
        (question("duckdb", Source.NOTICE), ("duckdb", "inline", None, True, False)),
        (question(source=Source.CHANGE), ("spark", "submitted", None, False, False)),
        (question(source=Source.CHANGE, is_warehouse_running=True), ("spark", "inline", None, True, False)),
        (question("spark", Source.CHANGE, is_warehouse_running=True), ("spark", "inline", None, True, False)),
    ],
)
def test_engines(asked: Question, expected: tuple[Any, ...]) -> None:
    decision = decide(asked)
    assert summary(decision) == expected
    assert all(reason.endswith(".") and reason[0].isupper() for reason in decision.reasons)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (question("bloom"), "bloom is not available"),
        (question("trino"), "There is no engine 'trino'"),
        (question("duckdb", destination=TO), "duckdb cannot write to a destination"),
        (question("spark"), "spark returns no rows"),
        (question("duckdb", Source.SCRIPT), "A script runs on Polars"),
        (question("spark", Source.SCRIPT, destination=TO), "A script runs on Polars"),
        (question("polars", polars_obstacle="Polars cannot read the view v."), "Polars cannot read the view v."),
        (question(source=Source.CHANGE, destination=TO), "names the table that it writes itself"),
        (question("duckdb", Source.CHANGE), "duckdb only reads here"),
        (question("polars", Source.CHANGE), "polars only reads here"),
        (question(source=Source.NOTICE, destination=TO), "Only a query can be written to a destination"),
        (question("spark", Source.NOTICE), "SHOW TABLES is answered by a warehouse"),
    ],
)
def test_refusals(asked: Question, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        decide(asked)


def test_what_polars_cannot_moves_on_and_says_so() -> None:
    first = decide(question(destination=TO))
    moved = first.moved_to_spark("unsupported function 'date_format'")
    assert summary(moved) == ("spark", "submitted", None, False, False)
    assert moved.reasons[: len(first.reasons)] == first.reasons
    assert moved.reasons[-1] == "Polars' SQL cannot run it, so Spark does: unsupported function 'date_format'."
    assert (first.memory_gb, moved.memory_gb) == (4, None)
