"""Checks before views are put in place of their names: all are allowed, none reads itself, there are not too many."""

from __future__ import annotations

from dataclasses import dataclass

from icefield_sql.lang.errors import SqlError, UnresolvedName
from icefield_sql.lang.lexing import is_as_spelled
from icefield_sql.lang.names import TableName

from .model import View
from .resolve import MAX_VIEW_DEPTH, Resolved, is_metadata, meant, reference_of
from .scoping import TableRef
from .statement import Statement

MAX_EXPANSIONS = 200
"""How often views may be put in place of their names in one statement, those inside views included."""
MAX_EXPANDED_LENGTH = 4 * 1024 * 1024
"""How long all their texts may be together, in characters."""


def check_views(statement: Statement, resolved: Resolved) -> None:
    """Refuse a statement with a view in it that cannot be put in place of its name.

    Raises:
        SqlError: a view is not allowed or reads itself, or there are too many.
        UnresolvedName: a view reads a table that does not exist.
    """
    walk = _Walk(resolved)
    extent = walk.extent(statement, ())
    if extent.count > MAX_EXPANSIONS or extent.length > MAX_EXPANDED_LENGTH:
        raise SqlError("The statement reads too much through views: each place where one names another counts.")
    if statement.command == "CREATE VIEW":
        _check_created(statement, resolved, walk)


@dataclass(frozen=True)
class _Extent:
    """What putting views in place takes: how many of them, how deep, and how many characters."""

    count: int = 0
    depth: int = 0
    length: int = 0


class _Walk:
    """A walk over views, each of them once however often it is read."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.extents: dict[TableName, _Extent] = {}

    def extent(self, statement: Statement, path: tuple[TableName, ...]) -> _Extent:
        """Return what the views take that a statement reads; `path` has the views that lead to it."""
        count = depth = length = 0
        for ref in statement.found.tables:
            if ref.written or (name := self._view(ref, path)) is None:
                continue
            inner = self._extent_of(name, path)
            count, depth, length = count + inner.count, max(depth, inner.depth), length + inner.length
        return _Extent(count, depth, length)

    def _extent_of(self, name: TableName, path: tuple[TableName, ...]) -> _Extent:
        if name in path:
            raise SqlError(f"The view {name} reads itself.")
        if name in self.resolved.refused:
            raise SqlError(f"The view {name} cannot be read: {self.resolved.refused[name]}")
        known = self.extents.get(name)
        if len(path) + (known.depth if known else 1) > MAX_VIEW_DEPTH:
            raise SqlError(f"Views nest deeper than {MAX_VIEW_DEPTH}.")
        if known is None:
            statement = self.resolved.views[name]
            inner = self.extent(statement, (*path, name))
            known = _Extent(1 + inner.count, 1 + inner.depth, len(statement.source.text) + inner.length)
            self.extents[name] = known
        return known

    def _view(self, ref: TableRef, path: tuple[TableName, ...]) -> TableName | None:
        """Return the view that a name means; None where it is a table."""
        objects = self.resolved.objects
        if meant(ref, self.resolved) not in objects:
            by = f"The view {path[-1]} reads {ref.name}, which" if path else f"The table or view {ref.name}"
            raise UnresolvedName("TABLE_OR_VIEW_NOT_FOUND", f"{by} does not exist.")
        if is_metadata(ref, self.resolved):
            if ref.base is not None and isinstance(objects[ref.base], View):
                raise SqlError(f"The view {ref.base} has no metadata tables.")
            return None
        if reference_of(ref, self.resolved) is not None:
            return None
        if not isinstance(objects[ref.name], View):
            return None
        if ref.node.args.get("version"):
            raise SqlError(f"The view {ref.name} has no versions; only tables can be read as they were.")
        return ref.name


def _check_created(statement: Statement, resolved: Resolved, walk: _Walk) -> None:
    """Check what a new view reads: Spark looks up the columns of the views in it, which it then reads by itself.

    So these must be spelled just as Spark is given them, or Spark might read something else in them than we do.
    """
    if statement.writes[0] in walk.extents:
        raise SqlError(f"The view {statement.writes[0]} would read itself.")
    for name in walk.extents:
        view = resolved.objects[name]
        assert isinstance(view, View)  # noqa: S101 - what the walk has seen
        if view.dialect.lower() != "spark" or not is_as_spelled(resolved.views[name].source):
            raise SqlError(f"A view cannot be made of the view {name}, which was not made here; create that one anew.")
