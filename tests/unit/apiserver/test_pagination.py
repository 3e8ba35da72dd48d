"""Cursors and pages."""

from __future__ import annotations

import base64

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.kube.indexes import BY_NAME, RUNS
from icefield_apiserver.core.kube.pages import page_of
from icefield_apiserver.core.kube.store import Store
from icefield_apiserver.core.pagination import Window, decode_cursor, encode_cursor
from icefield_crds import Job, Run


def job(name: str, version: int = 1) -> Job:
    metadata = {"name": name, "namespace": "n", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return Job.model_validate({"metadata": metadata, "spec": {"command": "x"}})


def store_of(*names: str) -> Store[Job]:
    store = Store(Job, BY_NAME)
    for name in names:
        store.put(job(name))
    return store


def page(store: Store[Job], limit: int, cursor: str | None = None) -> tuple[list[str], str | None]:
    found = page_of(store, "n", Window(limit, cursor), lambda row: row.metadata.name)
    return found.data, found.next_cursor


def test_a_cursor_comes_back_as_the_key() -> None:
    for key in (("a", "uid"), (-17, "ü"), ("x",)):
        cursor = encode_cursor(key)
        assert decode_cursor(cursor) == key
        assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("cursor", ["%%", "e", "bnVsbA", "W10", "e30", "IngieA", "W1tdXQ", "W251bGxd", "ÿ"])
def test_a_cursor_of_nobodys_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest):
        decode_cursor(cursor)


@pytest.mark.parametrize("key", ['["\\ud800"]', "[" * 30_000])
def test_a_cursor_that_is_no_text_or_no_list_is_refused(key: str) -> None:
    with pytest.raises(BadRequest):
        decode_cursor(base64.urlsafe_b64encode(key.encode()).decode().rstrip("="))


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadRequest):
        page(store_of("a"), 5, encode_cursor((-17, "uid")))


def test_the_last_page_has_no_cursor() -> None:
    store = store_of("a", "b", "c")
    assert page(store, 3) == (["a", "b", "c"], None)
    first, cursor = page(store, 2)
    assert first == ["a", "b"]
    assert page(store, 2, cursor) == (["c"], None)
    found = page_of(store, "n", Window(3, None), lambda row: row.metadata.name)
    assert found.model_dump() == {"data": ["a", "b", "c"]}


def test_rows_that_come_and_go_between_pages_shift_nothing() -> None:
    store = store_of("b", "c", "d", "e")
    first, cursor = page(store, 2)
    for name in ("a", "bb"):
        store.put(job(name))
    store.remove("uid-c")
    assert first + page(store, 2, cursor)[0] == ["b", "c", "d", "e"]


def test_filters_count_rows_not_resources() -> None:
    store = store_of(*"abcdefgh")
    even = page_of(store, "n", Window(2, None), lambda row: row.metadata.name, lambda row: row.metadata.name in "bdfh")
    assert even.data == ["b", "d"]
    rest = page_of(
        store, "n", Window(2, even.next_cursor), lambda row: row.metadata.name, lambda row: row.metadata.name in "bdfh"
    )
    assert (rest.data, rest.next_cursor) == (["f", "h"], None)


def test_an_empty_group_is_an_empty_page() -> None:
    assert page_of(Store(Run, RUNS), "nowhere", Window(5, None), str).model_dump() == {"data": []}
