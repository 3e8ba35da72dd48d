"""Pages of rows (API reference, "Pagination")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.pagination import Page, Window, encode_cursor

Row = TypeVar("Row")
T = TypeVar("T")


def after_text(window: Window) -> str | None:
    """Return the text after which the page starts, for lists ordered by one text column.

    Raises:
        BadRequest: the cursor belongs to another list.
    """
    if window.after is None:
        return None
    if len(window.after) != 1 or not isinstance(window.after[0], str):
        raise BadRequest("The cursor belongs to another list.")
    return window.after[0]


def page_of_rows(rows: Sequence[Row], window: Window, key: Callable[[Row], str], shape: Callable[[Row], T]) -> Page[T]:
    """Return a page of rows.

    Args:
        rows: the rows after the cursor, in order; one more than the limit if there are more.
        window: the requested part.
        key: the text column by which the rows are ordered.
        shape: returns the REST schema of a row.
    """
    shown = rows[: window.limit]
    has_more = len(rows) > window.limit
    return Page(
        data=[shape(row) for row in shown],
        next_cursor=encode_cursor((key(shown[-1]),)) if has_more else None,
    )
