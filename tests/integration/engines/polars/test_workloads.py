"""Queries and scripts: their results, and how their failures are told."""

from __future__ import annotations

import pytest

from .sandbox import Sandbox

pytestmark = pytest.mark.integration

AVERAGES = "SELECT species, avg(sepal_length) AS mean FROM flowers GROUP BY species ORDER BY mean DESC"


def test_a_query(sandbox: Sandbox) -> None:
    outcome = sandbox.run(query=AVERAGES, tables=[{"alias": "flowers", "table": "default.flowers"}])
    rows = sandbox.rows(outcome)
    assert rows.column("species").to_pylist() == ["versicolor", "virginica", "setosa"]
    assert (outcome["row_count"], outcome["saved"], outcome["error"]) == (3, None, None)
    assert rows.schema.field("mean").metadata == {b"polars.dtype": b"Float64"}
    assert sandbox.output == ""
    assert sandbox.termination_message == outcome
