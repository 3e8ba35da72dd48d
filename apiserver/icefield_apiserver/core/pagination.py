"""Pagination: `limit` and an opaque `cursor`, which is the key of the last row, so that pages are stable under inserts.

(API reference, "Pagination".)
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from icefield_kube.store import SortKey

from .errors import BadRequest

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T] = Field(description="Rows of this page.")
    next_cursor: str | None = Field(
        default=None,
        exclude_if=lambda cursor: cursor is None,
        description="Cursor of the next page; absent on the last page.",
    )


class Window:
    """The requested page of a list.

    Args:
        limit: maximum number of rows, from 1 to 200.
        cursor: `next_cursor` of the previous page; None for the first.
    """

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of rows.")] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None,
            Query(max_length=1024, description="next_cursor of the previous page."),
        ] = None,
    ) -> None:
        self.limit = limit
        self.after = decode_cursor(cursor) if cursor else None


CurrentWindow = Annotated[Window, Depends()]


class OpenWindow(Window):
    """The requested page of a list that published clients read without paging: all rows by default.

    Args:
        limit: maximum number of rows; None for all.
        cursor: `next_cursor` of the previous page; None for the first.
    """

    def __init__(
        self,
        limit: Annotated[
            int | None, Query(ge=1, le=MAX_LIMIT, description="Maximum number of rows; all rows when absent.")
        ] = None,
        cursor: Annotated[
            str | None,
            Query(max_length=1024, description="next_cursor of the previous page."),
        ] = None,
    ) -> None:
        super().__init__(limit or sys.maxsize, cursor)


CurrentOpenWindow = Annotated[OpenWindow, Depends()]


def encode_cursor(key: SortKey) -> str:
    """Return the cursor of a key: its JSON as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> SortKey:
    """Return the key in a cursor.

    Raises:
        BadRequest: it is not a cursor.
    """
    try:
        key = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        # Half of a surrogate pair, which JSON can write, is no text to a database.
        "".join(part for part in key if isinstance(part, str)).encode()
    except (ValueError, TypeError, RecursionError):
        key = None
    if not isinstance(key, list) or not all(isinstance(part, str | int) for part in key) or not key:
        raise BadRequest("The cursor is invalid.")
    return tuple(key)
