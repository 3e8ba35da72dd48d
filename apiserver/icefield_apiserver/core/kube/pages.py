"""Lists of custom resources in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.pagination import Page, Window, encode_cursor
from icefield_crds.meta import Resource
from icefield_kube.store import SortKey

from .store import Store

R = TypeVar("R", bound=Resource[Any, Any])
T = TypeVar("T")


def page_of(
    store: Store[R],
    group: str,
    window: Window,
    shape: Callable[[R], T],
    where: Callable[[R], bool] = lambda _: True,
) -> Page[T]:
    """Return a page of a group of a store.

    Args:
        store: the kind listed.
        group: a namespace, or another of the store's groups.
        window: which part.
        shape: makes a row of a resource.
        where: which resources are rows at all.
    """
    rows: list[R] = []
    last: SortKey | None = None
    try:
        for key, resource in store.walk(group, window.after):
            if not where(resource):
                continue
            if len(rows) == window.limit:
                return Page(data=[shape(row) for row in rows], next_cursor=encode_cursor(last or ()))
            rows.append(resource)
            last = key
    except TypeError as error:  # a cursor of another list: its parts do not compare with ours
        raise BadRequest("The cursor belongs to another list.") from error
    return Page(data=[shape(row) for row in rows])
