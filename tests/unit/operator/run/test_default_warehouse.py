"""Which warehouse the programs of a run use when they name none."""

from __future__ import annotations

import pytest

from icefield_crds import Warehouse, Workspace
from icefield_operator.run.resolve import default_warehouse_id


@pytest.mark.parametrize(
    ("named", "there_are", "expected"),
    [
        (None, [], None),
        (None, ["a"], "a"),
        (None, ["a", "b"], None),
        ("b", ["a", "b"], "b"),
        ("c", ["a", "b"], None),
        ("c", ["a"], None),
    ],
)
def test_it_is_the_one_that_the_workspace_names_else_the_only_one(
    named: str | None, there_are: list[str], expected: str | None
) -> None:
    workspace = Workspace.model_validate({"metadata": {"name": "demo"}, "spec": {"defaultWarehouse": named}})
    warehouses = [
        Warehouse.model_validate({"metadata": {"name": name, "uid": name * 32}, "spec": {}}) for name in there_are
    ]
    ids = {warehouse.metadata.name: warehouse.public_id for warehouse in warehouses}
    assert default_warehouse_id(workspace, warehouses) == ids.get(expected or "")
