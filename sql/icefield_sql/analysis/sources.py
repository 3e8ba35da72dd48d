"""What a statement reads, and what the views in it read: each table and view with its identity in the catalog."""

from __future__ import annotations

from icefield_sql.lang import planning_time
from icefield_sql.lang.names import TableName

from .model import Source, View
from .resolve import Resolved, meant
from .statement import Statement


def sources_of(resolved: Resolved) -> tuple[Source, ...]:
    """Return what a statement reads directly, then what the views in it read; each once for each that names it.

    Args:
        resolved: the statement with what the catalog has; its names have been checked.
    """
    pending: list[tuple[TableName | None, Statement]] = [(None, resolved.statement)]
    done: set[TableName] = set()
    found: dict[tuple[TableName, TableName | None], Source] = {}
    while pending:
        reader, statement = pending.pop(0)
        for ref in planning_time.checked(statement.found.tables):
            if ref.written:
                continue
            name = meant(ref, resolved)
            if (known := resolved.objects.get(name)) is None:
                continue
            found[name, reader] = Source(name, known.uuid, isinstance(known, View), reader)
            if name in resolved.views and name not in done:
                done.add(name)
                pending.append((name, resolved.views[name]))
    return tuple(found.values())
