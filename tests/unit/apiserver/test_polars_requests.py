"""What is a Polars workload, and what is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from icefield_apiserver.core.errors import BadRequest, validation_sentence
from icefield_apiserver.features.polars.schemas import PolarsRequest
from icefield_apiserver.features.runs.service import execution_time
from icefield_crds import PolarsWorkload, Run

QUERY = {"query": "SELECT 1", "tables": ["t=a.b"]}
SCRIPT = {"script": "result = scan('a.b')"}


def workload(body: dict[str, Any]) -> PolarsWorkload:
    """Return the workload that a body asks for."""
    return PolarsRequest.model_validate(body).to_workload()


def refusal(body: dict[str, Any]) -> str:
    """Return the sentence with which a body is refused."""
    try:
        workload(body)
    except BadRequest as refused:
        return refused.sentence
    except ValidationError as refused:
        return validation_sentence([{**error, "loc": ("body", *error["loc"])} for error in refused.errors()])
    raise AssertionError(f"{body} is not refused")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("flowers=default.flowers", ("flowers", "default.flowers")),
        (" f = default.flowers ", ("f", "default.flowers")),
        ("default.flowers", ("flowers", "default.flowers")),
        ("oleander.sales.eu.orders", ("orders", "oleander.sales.eu.orders")),
        ({"alias": "f", "table": "a-1.b-2"}, ("f", "a-1.b-2")),
    ],
)
def test_tables(table: Any, expected: tuple[str, str]) -> None:
    [bound] = workload({"query": "x", "tables": [table]}).tables
    assert (bound.alias, bound.table) == expected


def test_defaults_and_what_says_nothing() -> None:
    blank = {"catalog": "", "destination": " ", "script": "", "params": None, "vcpus": None, "saveMode": None}
    assert workload({**QUERY, **blank}) == workload(QUERY)
    made = workload(QUERY)
    assert (made.mode, made.vcpus, made.save_mode, made.distributed) == (None, 2, "overwrite", False)


def test_mode_says_which_of_both_is_used() -> None:
    assert workload({**QUERY, **SCRIPT, "mode": "script"}).is_script
    assert not workload({**QUERY, **SCRIPT, "mode": "query"}).is_script
    assert workload(SCRIPT).is_script


def test_either_spelling_of_a_field() -> None:
    assert workload({**SCRIPT, "saveMode": "append"}) == workload({**SCRIPT, "save_mode": "append"})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Give a query or a script."),
        ({"query": "  ", "script": ""}, "Give a query or a script."),
        ({**QUERY, **SCRIPT}, "Give either a query or a script, or specify by mode which of them is used."),
        ({**SCRIPT, "mode": "query"}, "Mode query needs a query."),
        ({**QUERY, "mode": "script"}, "Mode script needs a script."),
        ({**QUERY, "mode": "spell"}, "Field mode: should be 'query' or 'script'."),
        (
            {"query": "x"},
            'A query needs tables: those that it reads, such as "flowers=default.flowers".',
        ),
        ({"query": "x", "tables": ["a.t", "t=b.c"]}, "Two tables have the alias t."),
        ({"query": "x", "tables": ["flowers"]}, "Field tables[0].table: the form of a table is namespace.table."),
        (
            {"query": "x", "tables": ["a.b", "a.b-c"]},
            "Field tables[1].alias: an alias has letters, digits and underscores, no digit first.",
        ),
        ({"query": "x", "tables": [{"alias": "t"}]}, "Field tables[0].table is required."),
        ({**SCRIPT, "vcpus": 3}, "Field vcpus: should be 2, 4, 8, 16 or 32."),
        ({**SCRIPT, "vcpus": "many"}, "Field vcpus: should be 2, 4, 8, 16 or 32."),
        ({**SCRIPT, "destination": "nothing"}, "Field destination: the form of a table is namespace.table."),
        ({**SCRIPT, "saveMode": "merge"}, "Field saveMode: should be 'overwrite' or 'append'."),
        ({**SCRIPT, "clusterSize": 0}, "Field clusterSize: should be greater than or equal to 1."),
        ({**SCRIPT, "clusterSize": 65}, "Field clusterSize: should be less than or equal to 64."),
        ({**SCRIPT, "params": {"a": 2**63}}, "Field params: an integer beyond 64 bits has to be passed as a text."),
        ({**SCRIPT, "params": {"a": [float("nan")]}}, "Field params: JSON has no numbers that are not finite."),
        ({**SCRIPT, "params": {"a": "\ud800"}}, "The workload holds a text that is not Unicode."),
        (
            {**SCRIPT, "params": {"a": "x" * 2**20}},
            "The workload is longer than 1048576 bytes; put large things into a table.",
        ),
        ({**SCRIPT, "timeoutSeconds": 0}, "Field timeoutSeconds: should be greater than or equal to 1."),
    ],
)
def test_what_is_refused(body: dict[str, Any], sentence: str) -> None:
    assert refusal(body) == sentence


def test_params_that_are_nested_too_deeply() -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    assert refusal({**SCRIPT, "params": {"a": deep}}) == "Field params: it is nested more than 64 levels deep."


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.2, "0ms"), (340.4, "340ms"), (999.4, "999ms"), (999.6, "1.0s"), (12_345.6, "12.3s")],
)
def test_times(milliseconds: float, text: str) -> None:
    status = {"phase": "success", "polars": {"executionMilliseconds": milliseconds}}
    assert execution_time(Run.model_validate({"metadata": {}, "spec": {"polars": SCRIPT}, "status": status})) == text
