"""Which calls of the Iceberg REST protocol are passed on, and how the rest is refused."""

from __future__ import annotations

import pytest

from icefield_apiserver.features.iceberg.access import Access, with_access, with_tag, without_tag
from icefield_apiserver.features.iceberg.operations import (
    LOAD_CREDENTIALS,
    OPERATIONS,
    advertised,
    credentials_path,
    find_call,
    table_path,
)
from icefield_crds import Role


@pytest.mark.parametrize(
    ("method", "path", "namespace", "name", "role"),
    [
        ("GET", "namespaces", (), None, Role.VIEWER),
        ("GET", "namespaces/sales%1Fraw/tables/orders", ("sales", "raw"), "orders", Role.VIEWER),
        ("POST", "namespaces/sales/tables/orders", ("sales",), "orders", Role.EDITOR),
        ("POST", "namespaces/sales/tables/orders/metrics", ("sales",), "orders", Role.VIEWER),
        ("POST", "tables/rename", (), None, Role.EDITOR),
        ("POST", "transactions/commit", (), None, Role.EDITOR),
        ("DELETE", "namespaces/sales/views/v", ("sales",), "v", Role.EDITOR),
    ],
)
def test_known_calls(method: str, path: str, namespace: tuple[str, ...], name: str | None, role: Role) -> None:
    call = find_call(method, path)
    assert call is not None
    assert (call.namespace, call.name, call.operation.role) == (namespace, name, role)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "namespaces"),
        ("GET", ""),
        ("GET", "namespaces/"),
        ("GET", "namespaces/sales/"),
        ("GET", "namespaces//tables"),
        ("GET", "namespaces/sales/tables/.."),
        ("GET", "namespaces/..%2F..%2Fx"),
        ("GET", "namespaces/a%2Fb/tables"),
        ("GET", "namespaces/a.b/tables"),
        ("GET", "../management/v1/warehouses"),
        ("GET", "management/v1/warehouses"),
        ("POST", "namespaces/sales/tables/t/credentials"),
        ("GET", "namespaces/sales/tables/t/credentials/x"),
        ("GET", "namespaces/sales/views/v/credentials"),
        ("POST", "namespaces/sales/tables/t/rename"),
        ("GET", "namespaces/sales%0Ax/tables"),
        ("HEAD", "namespaces/sales%0Ax/tables"),
        ("HEAD", "namespaces/sales/tables/.."),
        ("HEAD", "transactions/commit"),
    ],
)
def test_everything_else_is_not_there(method: str, path: str) -> None:
    assert find_call(method, path) is None


def test_head_is_a_call_wherever_get_is() -> None:
    for operation in OPERATIONS:
        path = operation.template.translate(str.maketrans("", "", "{}"))
        call = find_call("HEAD", path)
        if operation.method in ("GET", "HEAD"):
            assert call is not None
            has_own = any((each.method, each.template) == ("HEAD", operation.template) for each in OPERATIONS)
            assert call.operation.method == ("HEAD" if has_own else "GET")


def test_only_what_the_catalog_serves_is_advertised() -> None:
    assert advertised(None) is None
    assert advertised(frozenset({"GET /v1/{prefix}/namespaces", "GET /v1/secrets"})) == ["GET /v1/{prefix}/namespaces"]
    assert len({operation.endpoint for operation in OPERATIONS}) == len(OPERATIONS)


def test_where_the_keys_of_a_table_are_renewed() -> None:
    path = credentials_path("demo", ("sales", "raw"), "größe 1&2")
    assert path == "v1/demo/namespaces/sales%1Fraw/tables/gr%C3%B6%C3%9Fe%201%262/credentials"
    below = path.removeprefix("v1/demo/")
    call = find_call("GET", below)
    assert call is not None
    assert (call.operation, call.namespace, call.name) == (LOAD_CREDENTIALS, ("sales", "raw"), "größe 1&2")
    load = find_call("GET", table_path(below))
    assert load is not None
    assert (load.namespace, load.name) == (call.namespace, call.name)
    named_so = find_call("GET", "namespaces/sales/tables/credentials")
    assert named_so is not None
    assert (named_so.operation is LOAD_CREDENTIALS, named_so.name) == (False, "credentials")


@pytest.mark.parametrize("name", ["%ED%A0%80", "a%FF", "%C3"])
def test_a_name_that_is_no_text_names_nothing(name: str) -> None:
    assert find_call("GET", f"namespaces/sales/tables/{name}") is None
    assert find_call("DELETE", f"namespaces/{name}") is None
    assert find_call("GET", "namespaces/sales/tables/%C3%BC") is not None


def test_whoever_changes_something_must_be_an_editor() -> None:
    harmless = ("/metrics", "/plan", "/tasks", "/plan/{plan-id}")
    for operation in OPERATIONS:
        is_read = operation.method in ("GET", "HEAD") or operation.template.endswith(harmless)
        assert (operation.role is Role.VIEWER) is is_read, operation


def test_only_our_properties_say_how_files_are_reached() -> None:
    result = {
        "metadata-location": "s3://x",
        "metadata": {},
        "config": {"s3.endpoint": "inside", "s3.signer.uri": "x", "token": "t", "client.region": "r", "other": "o"},
        "storage-credentials": [{"prefix": "s3://", "config": {"s3.secret-access-key": "root"}}],
    }
    ours = {"s3.endpoint": "outside"}
    assert with_access(result, ours) == {
        "metadata-location": "s3://x",
        "metadata": {},
        "config": {"other": "o", "s3.endpoint": "outside"},
    }


def test_an_etag_of_ours_holds_while_catalog_and_keys_say_the_same() -> None:
    tag, other = Access({"s3.access-key-id": "a"}).tag, Access({"s3.access-key-id": "b"}).tag
    assert tag is not None
    assert other is not None
    for etag in ('"abc"', 'W/"abc"'):
        ours = with_tag(etag, tag)
        assert without_tag(ours, tag) == etag
        assert without_tag(f'"x", {ours}', tag) == etag
        assert without_tag(ours, other) is None
    assert without_tag("", tag) is None
    assert without_tag("*", tag) is None
