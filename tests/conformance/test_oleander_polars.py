"""The published `oleanderhq-sdk`, unmodified: Polars workloads in both modes, with and without a destination."""

from __future__ import annotations

import re
import secrets

import pytest
from oleander_sdk import Oleander, OleanderHttpError
from oleander_sdk.models import PolarsOptions, PolarsTable
from tests.statements import create_database
from tests.workloads import Workloads

pytestmark = pytest.mark.conformance

FLOWERS = """
result = pl.DataFrame({
    "species": ["setosa", "setosa", "virginica"], "sepal_length": [5.1, 4.9, 6.3], "petal_length": [1.4, 1.4, 6.0],
})
"""
QUERY = """SELECT species, avg(sepal_length) AS avg_sepal_length, avg(petal_length) AS avg_petal_length
           FROM flowers GROUP BY species ORDER BY avg_sepal_length DESC"""
MEANS = [["virginica", 6.3, 6.0], ["setosa", 5.0, 1.4]]
SCRIPT = """
table = params.get('table', 'default.flowers')
limit = int(params.get('limit', 50))

flowers = scan(table)

result = (
    flowers.group_by('species')
    .agg(
        pl.len().alias('count'),
        pl.col('sepal_length').mean().round(2).alias('avg_sepal_length'),
    )
    .sort('avg_sepal_length', descending=True)
    .head(limit)
)
"""


@pytest.fixture(scope="module")
def place(workloads: Workloads) -> str:
    """A database with a table `flowers`."""
    name = create_database(workloads.rest, f"sdk_{secrets.token_hex(3)}")
    workloads.write(f"{name}.flowers", FLOWERS)
    return name


async def test_a_query(oleander: Oleander, place: str) -> None:
    found = await oleander.polars(PolarsOptions(query=QUERY, tables=[f"flowers={place}.flowers"]))
    assert found.success
    assert found.results is not None
    assert found.results.columns == ["species", "avg_sepal_length", "avg_petal_length"]
    assert found.results.column_types == ["String", "Float64", "Float64"]
    assert found.results.rows == MEANS
    assert (found.row_count, found.saved, found.error) == (2, None, None)
    assert re.fullmatch(r"\d+ms|\d+\.\d+s", found.execution_time or "")
    assert found.compute is not None
    assert (found.compute.mode, found.compute.distributed) == ("local", False)


async def test_a_script_with_params(oleander: Oleander, place: str) -> None:
    params = {"table": f"{place}.flowers", "limit": "1"}
    found = await oleander.polars(PolarsOptions(script=SCRIPT, params=params, vcpus=4, catalog="oleander"))
    assert found.results is not None
    assert found.results.rows == [["virginica", 1, 6.3]]


async def test_destinations(oleander: Oleander, workloads: Workloads, place: str) -> None:
    table = f"{place}.means"
    tables: list[str | PolarsTable] = [PolarsTable(alias="flowers", table=f"{place}.flowers")]
    for mode, rows in (("overwrite", 2), ("append", 4), ("overwrite", 2)):
        options = {"query": QUERY, "tables": tables, "destination": table, "save_mode": mode}
        found = await oleander.polars(PolarsOptions.model_validate(options))
        assert found.saved is not None
        assert (found.saved.table, found.saved.rows_written, found.saved.mode) == (table, 2, mode)
        assert len(workloads.column(table, "species") or ()) == rows
    counts = f"{place}.counts"
    written = await oleander.polars(
        PolarsOptions(script=SCRIPT, params={"table": f"{place}.flowers"}, destination=counts)
    )
    assert written.saved is not None
    assert written.saved.rows_written == 2
    assert sorted(workloads.column(counts, "count") or ()) == [1, 2]


async def test_what_fails(oleander: Oleander, place: str) -> None:
    with pytest.raises(RuntimeError, match="script line 2: ValueError: no flowers today"):
        await oleander.polars(PolarsOptions(script="x = 1\nraise ValueError('no flowers today')"))
    with pytest.raises(RuntimeError, match=f"{place}.none"):
        await oleander.polars(PolarsOptions(query="SELECT * FROM none", tables=[f"none={place}.none"]))
    with pytest.raises(OleanderHttpError, match="vcpus") as refused:
        await oleander.polars(PolarsOptions(script=SCRIPT, vcpus=3))
    assert refused.value.status == 400


async def test_polars_cloud_without_credentials(oleander: Oleander, place: str) -> None:
    options = PolarsOptions(
        query=QUERY,
        tables=[f"flowers={place}.flowers"],
        distributed=True,
        instance_type="t4g.medium",
        cluster_size=4,
        destination=f"{place}.distributed",
    )
    with pytest.raises(OleanderHttpError, match="icefield-polars-cloud") as refused:
        await oleander.polars(options)
    assert refused.value.status == 400


async def test_environment_variables_reach_a_workload(oleander: Oleander) -> None:
    made = await oleander.set_environment_variable(f"polars_{secrets.token_hex(3)}", "daisy")
    script = f"import os\nresult = pl.DataFrame({{'flower': [os.environ.get('{made.name}')]}})"
    try:
        found = await oleander.polars(PolarsOptions(script=script))
        assert found.results is not None
        assert found.results.rows == [["daisy"]]
    finally:
        await oleander.delete_environment_variable(name=made.name)
    after = await oleander.polars(PolarsOptions(script=script))
    assert after.results is not None
    assert after.results.rows == [[None]]
