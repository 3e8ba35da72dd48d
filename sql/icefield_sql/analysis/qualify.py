"""A statement's own text with names in full, where the request gave its tables other names."""

from __future__ import annotations

from collections.abc import Iterable

from icefield_sql.lang.lexing import Edits, replace_spans
from icefield_sql.lang.quoting import quote_standard

from .statement import Statement


def qualify(statement: Statement, bound: Iterable[str]) -> str:
    """Return a statement's own text, with tables that its request gave other names named in full.

    Args:
        statement: it was parsed with names that know what the request bound.
        bound: the names that it bound, in lower case.
    """
    edits, wanted = Edits(), frozenset(bound)
    for ref in statement.found.tables:
        parts = [part.name for part in ref.node.parts]
        if len(parts) > 1 or parts[0].lower() not in wanted:
            continue
        label = "" if ref.label is None or ref.node.args.get("version") else f" AS {quote_standard(parts[0])}"
        full = ".".join(quote_standard(part) for part in (*ref.name.namespace, ref.name.name))
        edits.replace(*ref.span, full + label)
    return replace_spans(statement.source.text, edits)
