"""Bodies of the Iceberg REST protocol that name what cannot be named, or have another shape than the protocol's."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.features.iceberg.contents import Contents
from icefield_apiserver.features.iceberg.operations import find_call

TABLE = {"namespace": ["sales"], "name": "orders"}
SNAPSHOT = {"action": "add-snapshot", "snapshot": {"snapshot-id": 1}}
ENTRIES = "Each of table-changes has an identifier: a namespace, which is a list, and a name."
SNAPSHOTS = "The update add-snapshot has a snapshot with a snapshot-id, which is an integer."


def check(path: str, body: dict[str, Any]) -> None:
    """Check the body of a POST."""
    call = find_call("POST", path)
    assert call is not None
    Contents("acme", {"acme", "lake"}, StoreRoot("lake", "workspaces/acme")).check(call, body)


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


def _view(sql: str = "SELECT 1 AS a", dialect: str = "spark", **version: Any) -> dict[str, Any]:
    text = {"type": "sql", "sql": sql, "dialect": dialect}
    return {"name": "v", "view-version": {"representations": [text], "default-namespace": ["sales"], **version}}


def _new_version(**view: Any) -> dict[str, Any]:
    return {"updates": [{"action": "add-view-version", "view-version": _view(**view)["view-version"]}]}


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT id, upper(name) AS n FROM orders WHERE id > 1", "spark"),
        ("SELECT * FROM acme.sales.orders", "spark"),
        ("SELECT count(*) AS n FROM lake.sales.orders", "icefield"),
        ('SELECT "id", CAST(name AS VARCHAR) AS n FROM orders', "trino"),
    ],
)
def test_views_that_read_tables(sql: str, dialect: str) -> None:
    check("namespaces/sales/views", _view(sql, dialect))
    check("namespaces/sales/views/v", _new_version(sql=sql, dialect=dialect))


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("DROP TABLE orders", "spark"),
        ("SELECT java_method('a', 'b')", "spark"),
        ("SELECT * FROM parquet.`s3://elsewhere/x`", "spark"),
        ("SELECT * FROM read_text('a')", "duckdb"),
        ("SELECT 1; SELECT 2", "trino"),
        ("SELECT 1", "klingon"),
        ("not SQL at all", "spark"),
    ],
)
def test_the_text_of_a_view_is_held_to_the_rules_of_a_statement(sql: str, dialect: str) -> None:
    for path, body in (
        ("namespaces/sales/views", _view(sql, dialect)),
        ("namespaces/sales/views/v", _new_version(sql=sql, dialect=dialect)),
    ):
        with pytest.raises(BadRequest) as refused:
            check(path, body)
        assert refused.value.sentence.startswith("The text of the view is not allowed: ")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "v"},
        {"name": "v", "view-version": []},
        _view(representations=[]),
        _view(representations=[{"type": "sql", "sql": "SELECT 1"}]),
        _view(representations=[{"type": "sql", "sql": 1, "dialect": "spark"}]),
        _view(**{"default-namespace": "sales"}),
        _view(**{"default-catalog": 1}),
    ],
)
def test_views_of_another_shape(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        check("namespaces/sales/views", body)


WITH_PROPERTIES = {
    "namespaces": lambda properties: {"namespace": ["sales"], "properties": properties},
    "namespaces/sales/properties": lambda properties: {"updates": properties},
    "namespaces/sales/tables": lambda properties: {"name": "t", "properties": properties},
    "namespaces/sales/views": lambda properties: {**_view(), "properties": properties},
    "namespaces/sales/tables/t": lambda properties: {"updates": [{"action": "set-properties", "updates": properties}]},
    "namespaces/sales/views/v": lambda properties: {"updates": [{"action": "set-properties", "updates": properties}]},
    "transactions/commit": lambda properties: {
        "table-changes": [{"identifier": TABLE, "updates": [{"action": "set-properties", "updates": properties}]}]
    },
}


@pytest.mark.parametrize("path", WITH_PROPERTIES)
def test_properties_are_held_to_the_rules_of_sql(path: str) -> None:
    make = WITH_PROPERTIES[path]
    check(path, make({"write.format.default": "parquet", "comment": "ours"}))
    check(path, make({}))
    for key in ("write.data.path", "write.location-provider.impl", "Write.Metadata.Path", "encryption.key-id"):
        with pytest.raises(BadRequest) as refused:
            check(path, make({key: "x"}))
        assert refused.value.sentence.startswith(f"The property {key} is not supported;")
    for shape in ([], {"a": 1}, "a"):
        with pytest.raises(BadRequest):
            check(path, make(shape))


FORBIDDEN = {"write.data.path": "s3://elsewhere/x"}
TEXT = {"type": "sql", "sql": "SELECT 1 AS a", "dialect": "spark"}
BAD_TEXT = {**TEXT, "sql": "DROP TABLE orders"}
VIEW = {"representations": [BAD_TEXT], "default-namespace": ["sales"]}


@pytest.mark.parametrize(
    "update",
    [
        {"action": "Set-Properties", "updates": FORBIDDEN},
        {"action": "set-properties", "updated": FORBIDDEN},
        {"action": "set-properties", "updates": {}, "updated": FORBIDDEN},
        {"action": "set-properties", "Updates": FORBIDDEN},
        {"action": "set-properties", "Action": "set-location"},
        {"action": "SET-LOCATION", "location": "s3://elsewhere/x"},
        {"action": "set-location", "Location": "s3://elsewhere/x"},
        {"action": "set_location", "location": "s3://elsewhere/x"},
        {"action": "add-\u017fnapshot", "snapshot": {"snapshot-id": 1}},
        {"action": "add-snapshot", "snapshot": {"snapshot-id": 1, "manifestList": "s3://elsewhere/x"}},
        {"action": "add-snapshot", "snapshot": {"snapshot-id": 1, "manifest_list": "s3://elsewhere/x"}},
        {"action": "set-statistics", "\u017ftatistics": {"statistics-path": "s3://elsewhere/x"}},
        {"action": "Add-View-Version", "view-version": VIEW},
        {"action": "add-view-version", "view-version": VIEW, "viewVersion": VIEW},
        {"action": "drop-everything"},
        {"action": 1},
        {"action": None},
        {},
    ],
)
def test_updates_in_spellings_that_only_some_catalogs_read(update: dict[str, Any]) -> None:
    for path, body in (
        ("namespaces/sales/tables/t", {"updates": [update]}),
        ("namespaces/sales/views/v", {"updates": [update]}),
        ("transactions/commit", {"table-changes": [{"identifier": TABLE, "updates": [update]}]}),
    ):
        with pytest.raises(BadRequest):
            check(path, body)


def test_updates_of_old_clients() -> None:
    update = {"action": "set-properties", "updated": {"comment": "ours"}}
    check("namespaces/sales/tables/t", {"updates": [update, {"action": "remove-properties", "removed": ["a"]}]})


@pytest.mark.parametrize(
    ("action", "rest"),
    [
        ("assign-uuid", {"uuid": "a"}),
        ("upgrade-format-version", {"format-version": 2}),
        ("add-schema", {"schema": {"type": "struct", "fields": []}}),
        ("set-snapshot-ref", {"ref-name": "main", "type": "branch", "snapshot-id": 1}),
        ("remove-partition-statistics", {"snapshot-id": 1}),
        ("add-encryption-key", {"encryption-key": {"key-id": "a"}}),
    ],
)
def test_updates_that_name_nothing_outside(action: str, rest: dict[str, Any]) -> None:
    check("namespaces/sales/tables/t", {"updates": [{"action": action, **rest}]})


@pytest.mark.parametrize(
    "body",
    [
        {"name": "t", "Location": "s3://elsewhere/x"},
        {"name": "t", "Properties": FORBIDDEN},
        {"name": "t", "NAME": "a/b"},
        {"updates": [], "Updates": [{"action": "set-location", "location": "s3://elsewhere/x"}]},
    ],
)
def test_fields_in_another_spelling(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        check(TABLES if "name" in body else ONE_TABLE, body)
    assert refused.value.sentence.startswith("The protocol spells the field ")


@pytest.mark.parametrize(
    "representations",
    [
        [{**BAD_TEXT, "type": "SQL"}],
        [TEXT, {**BAD_TEXT, "type": "SQL"}],
        [TEXT, {"type": "dataframe"}],
        [TEXT, {}],
        [{**BAD_TEXT, "dialect": "Spark"}, TEXT],
        [TEXT, BAD_TEXT],
        # Java takes these for spark, without case.
        [{**BAD_TEXT, "dialect": "\u017fpark"}, TEXT],
        [{**BAD_TEXT, "dialect": "spar\u212a"}, TEXT],
        [{**TEXT, "SQL": "DROP TABLE orders"}],
        [{**TEXT, "dialect": ""}],
    ],
)
def test_texts_of_views_that_only_some_would_read(representations: list[dict[str, Any]]) -> None:
    for path, body in (
        ("namespaces/sales/views", _view(representations=representations)),
        ("namespaces/sales/views/v", _new_version(representations=representations)),
    ):
        with pytest.raises(BadRequest):
            check(path, body)


def test_a_view_in_two_dialects() -> None:
    check("namespaces/sales/views", _view(representations=[{**TEXT, "dialect": "trino"}, TEXT]))


def test_a_plan_is_no_other_path() -> None:
    plan = "namespaces/sales/tables/orders/plan/"
    for known in ("a", "0a-b_c.d:e", "none"):
        assert find_call("GET", plan + known)
    for other in ("..", ".", "%2e%2e", "..%2Ftables", "a%2Fb", "%00", "", ".a"):
        assert find_call("GET", plan + other) is None, other
    assert find_call("POST", "namespaces/sales/register-view") is None


MINE = "s3://lake/workspaces/acme/tables/sales/orders"
OTHERS = "s3://lake/workspaces/other/tables/sales/orders"
TABLES, ONE_TABLE, ONE_VIEW = "namespaces/sales/tables", "namespaces/sales/tables/orders", "namespaces/sales/views/v"


def located(location: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return a request of each kind that names a location."""
    updates: list[dict[str, Any]] = [
        {"action": "set-location", "location": location},
        {"action": "set-statistics", "snapshot-id": 1, "statistics": {"statistics-path": location}},
        {"action": "set-partition-statistics", "partition-statistics": {"statistics-path": location}},
        {"action": "add-snapshot", "snapshot": {"snapshot-id": 1, "manifest-list": location}},
        {"action": "add-snapshot", "snapshot": {"snapshot-id": 1, "manifests": [MINE, location]}},
    ]
    text = {"type": "sql", "sql": "SELECT 1 AS a", "dialect": "spark"}
    return [
        (TABLES, {"name": "orders", "location": location}),
        ("namespaces/sales/register", {"name": "orders", "metadata-location": location}),
        ("namespaces/sales/views", {"name": "v", "location": location, "view-version": {"representations": [text]}}),
        (ONE_VIEW, {"updates": updates[:1]}),
        *((ONE_TABLE, {"updates": [update]}) for update in updates),
        *(
            ("transactions/commit", {"table-changes": [{"identifier": TABLE, "updates": [update]}]})
            for update in updates
        ),
    ]


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        *(
            (location, f"The location {location} is not below s3://lake/workspaces/acme/, which is the workspace's")
            for location in (
                OTHERS,
                "s3://lake/workspaces/acme-2/x",
                "s3://lake/workspaces/acme",
                "s3://lake/workspaces/acme/",
                "s3://other/workspaces/acme/x",
                "gs://lake/workspaces/acme/x",
                "file:///tmp/x",
                "/workspaces/acme/x",
                "",
                "s3://lake/workspaces/acme/../other/x",
                "s3://lake/workspaces/acme/./x",
                "s3://lake/workspaces/acme/%2e%2E/other/x",
                "s3://lake/workspaces/acme/.%2e/other/x",
                "s3://lake/workspaces/acme/.\t./other/x",
            )
        ),
        (1, "Field "),
        (["s3://lake/workspaces/acme/x"], "Field "),
    ],
)
def test_locations_of_others(location: Any, sentence: str) -> None:
    for path, body in located(location):
        with pytest.raises(BadRequest) as refused:
            check(path, body)
        assert refused.value.sentence.startswith(sentence), body


@pytest.mark.parametrize("location", [MINE, "s3a://lake/workspaces/acme/x", f"{MINE}/metadata/00000-x.metadata.json"])
def test_locations_of_the_workspace(location: str) -> None:
    for path, body in located(location):
        check(path, body)


@pytest.mark.parametrize("location", [None, "", 1])
def test_a_registered_table_has_a_metadata_file(location: Any) -> None:
    with pytest.raises(BadRequest):
        check("namespaces/sales/register", {"name": "t", "metadata-location": location})
    with pytest.raises(BadRequest):
        check("namespaces/sales/register", {"name": "t"})


def test_a_table_without_a_location_gets_one_of_the_catalog() -> None:
    check(TABLES, {"name": "orders"})
    check(TABLES, {"name": "orders", "location": None, "stage-create": True})


def test_a_long_location_is_not_repeated_in_full() -> None:
    with pytest.raises(BadRequest) as refused:
        check(TABLES, {"name": "orders", "location": "x" * 100_000})
    assert len(refused.value.sentence) < 400
