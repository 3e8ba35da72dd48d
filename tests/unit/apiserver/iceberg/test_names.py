"""Bodies of the Iceberg REST protocol that name what cannot be named, or have another shape than the protocol's."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.iceberg.names import check_names
from icefield_apiserver.features.iceberg.operations import find_call

TABLE = {"namespace": ["sales"], "name": "orders"}
SNAPSHOT = {"action": "add-snapshot", "snapshot": {"snapshot-id": 1}}
ENTRIES = "Each of table-changes has an identifier: a namespace, which is a list, and a name."
SNAPSHOTS = "The update add-snapshot has a snapshot with a snapshot-id, which is an integer."


def check(path: str, body: dict[str, Any]) -> None:
    """Check the body of a POST."""
    call = find_call("POST", path)
    assert call is not None
    check_names(call, body, {"acme"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (1, "Field table-changes is a list of objects."),
        ("ab", "Field table-changes is a list of objects."),
        ({"a": 1}, "Field table-changes is a list of objects."),
        ([1], "Field table-changes is a list of objects."),
        ([{}], ENTRIES),
        ([{"identifier": "orders"}], ENTRIES),
        ([{"identifier": {"namespace": "sales", "name": "orders"}}], ENTRIES),
        ([{"identifier": {"namespace": [1], "name": "orders"}}], ENTRIES),
        ([{"identifier": {"namespace": ["sales"], "name": 1}}], "'' is not a valid table name"),
        ([{"identifier": TABLE, "updates": 1}], "Field updates is a list of objects."),
        ([{"identifier": TABLE, "updates": [1]}], "Field updates is a list of objects."),
        ([{"identifier": TABLE, "updates": [{"action": "add-snapshot"}]}], SNAPSHOTS),
        ([{"identifier": TABLE, "updates": [{"action": "add-snapshot", "snapshot": {"snapshot-id": "x"}}]}], SNAPSHOTS),
    ],
)
def test_transactions_of_another_shape(changes: Any, sentence: str) -> None:
    with pytest.raises(BadRequest) as refused:
        check("transactions/commit", {"table-changes": changes})
    assert refused.value.sentence.startswith(sentence)


@pytest.mark.parametrize("updates", [1, [1], [{"action": "add-snapshot", "snapshot": 1}]])
def test_commits_of_another_shape(updates: Any) -> None:
    with pytest.raises(BadRequest):
        check("namespaces/sales/tables/orders", {"updates": updates})


@pytest.mark.parametrize("updates", [None, [], [SNAPSHOT, {"action": "set-properties", "updates": {"a": "b"}}]])
def test_commits(updates: Any) -> None:
    check("namespaces/sales/tables/orders", {"updates": updates})
    check("transactions/commit", {"table-changes": [{"identifier": TABLE, "updates": updates}]})


@pytest.mark.parametrize("path", ["namespaces", "tables/rename", "namespaces/sales/tables", "namespaces/sales/views"])
@pytest.mark.parametrize("value", [None, 1, "a/b", [], {}])
def test_what_names_nothing(path: str, value: Any) -> None:
    with pytest.raises(BadRequest):
        check(path, {"namespace": value, "destination": value, "name": value})
