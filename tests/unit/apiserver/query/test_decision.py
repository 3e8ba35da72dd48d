"""Which engine runs what, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.query.decision import Decision, QueryKind, Question, decide
from icefield_apiserver.features.query.sizes import GIB, Inputs, InputTable

SMALL = Inputs((InputTable("sales.orders", 1000),))
MEDIUM = Inputs((InputTable("sales.orders", 3 * GIB),))
LARGE = Inputs((InputTable("sales.orders", 40 * GIB),))
TO = "sales.summary"


def question(requested: str = "auto", kind: QueryKind = QueryKind.READ, **more: Any) -> Question:
    fields: dict[str, Any] = {
        "command": {QueryKind.WRITE: "INSERT", QueryKind.METADATA: "SHOW TABLES"}.get(kind, "SELECT")
    }
    return Question(requested, kind, **{**fields, "inputs": SMALL, **more})


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
        (question(kind=QueryKind.SCRIPT), ("polars", "inline", 2, False, False)),
        (question("polars", QueryKind.SCRIPT, destination=TO), ("polars", "inline", 2, False, False)),
        (question(kind=QueryKind.METADATA), ("duckdb", "inline", None, True, False)),
        (question("duckdb", QueryKind.METADATA), ("duckdb", "inline", None, True, False)),
        (question(kind=QueryKind.WRITE), ("spark", "submitted", None, False, False)),
        (question(kind=QueryKind.WRITE, is_warehouse_running=True), ("spark", "inline", None, True, False)),
        (question("spark", QueryKind.WRITE, is_warehouse_running=True), ("spark", "inline", None, True, False)),
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
        (question("duckdb", QueryKind.SCRIPT), "A script runs on Polars"),
        (question("spark", QueryKind.SCRIPT, destination=TO), "A script runs on Polars"),
        (question("polars", polars_obstacle="Polars cannot read the view v."), "Polars cannot read the view v."),
        (question(kind=QueryKind.WRITE, destination=TO), "names the table that it writes itself"),
        (question("duckdb", QueryKind.WRITE), "duckdb only reads here"),
        (question("polars", QueryKind.WRITE), "polars only reads here"),
        (question(kind=QueryKind.METADATA, destination=TO), "Only a query can be written to a destination"),
        (question("spark", QueryKind.METADATA), "SHOW TABLES is answered by a warehouse"),
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
