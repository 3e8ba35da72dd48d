"""Lists in pages: `limit` and an opaque `cursor`, which is the key of the last row, so that inserts shift nothing.

(API reference, "Pagination".)
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from icefield_crds.meta import Resource

from .errors import BadRequest
from .kube.store import Key, Store

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

T = TypeVar("T")
R = TypeVar("R", bound=Resource[Any, Any])


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T] = Field(description="The rows of this page.")
    next_cursor: str | None = Field(default=None, description="Where the next page begins; absent on the last page.")

    @model_serializer(mode="wrap")
    def _without_empty_cursor(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        if self.next_cursor is None:
            fields.pop("next_cursor", None)
        return fields


class Window:
    """Which part of a list is asked for.

    Args:
        limit: most rows wanted, from 1 to 200.
        cursor: where the previous page ended, as it said.
    """

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most rows of one page.")] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None, Query(max_length=1024, description="next_cursor of the page before; the first page without.")
        ] = None,
    ) -> None:
        self.limit = limit
        self.after = decode_cursor(cursor) if cursor else None


CurrentWindow = Annotated[Window, Depends()]


class OpenWindow(Window):
    """Which part of a list is asked for, where published clients never page: all of it, unless they say.

    Args:
        limit: most rows wanted; None for all there are.
        cursor: where the previous page ended, as it said.
    """

    def __init__(
        self,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_LIMIT, description="Most rows of one page; all rows without.")
        ] = None,
        cursor: Annotated[
            str | None, Query(max_length=1024, description="next_cursor of the page before; the first page without.")
        ] = None,
    ) -> None:
        super().__init__(limit or sys.maxsize, cursor)


CurrentOpenWindow = Annotated[OpenWindow, Depends()]


def encode_cursor(key: Key) -> str:
    """Return the opaque form of a key: its JSON as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Key:
    """Return the key behind a cursor.

    Raises:
        BadRequest: it is none of ours.
    """
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except ValueError:
        key = None
    if not isinstance(key, list) or not all(isinstance(part, str | int) for part in key) or not key:
        raise BadRequest("The cursor is not one that a list answered with.")
    return tuple(key)


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
    last: Key | None = None
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
