"""What is said of a table that the catalog does not have: whether its database is there, and what may be meant."""

from __future__ import annotations

import asyncio

from icefield_sql.lang.names import DEFAULT_SCHEMA, METADATA_TABLES, TableName
from icefield_sql.lang.suggestions import did_you_mean

from .model import CatalogReader, Table

_MOST = 5_000
"""Of how many tables of a database the closest are looked for."""


async def about_missing(name: TableName, reader: CatalogReader) -> str:
    """Return a sentence about a table or view that does not exist.

    Args:
        name: its name.
        reader: the catalog.
    """
    known = [relation for relation, _ in await reader.relations(name.namespace)][:_MOST]
    is_default = name.namespace == (DEFAULT_SCHEMA,)  # the database of names without one, which nobody has to know
    if not known and not is_default and (sentence := await _about_namespace(name, reader)):
        return sentence
    end = await asyncio.to_thread(did_you_mean, name.name, known)
    if end != ".":
        end = await asyncio.to_thread(did_you_mean, str(name), [str(TableName(name.namespace, one)) for one in known])
    return f"There is no table or view {name}{end}"


async def _about_namespace(name: TableName, reader: CatalogReader) -> str | None:
    """Return a sentence about the database or schema of a table, or None where there is one."""
    *outer, last = name.namespace
    siblings = await reader.namespaces(tuple(outer))
    if name.namespace in siblings:
        return None
    if outer and isinstance(table := await reader.load(TableName(tuple(outer), last)), Table):
        return _about_suffix(table, TableName(tuple(outer), last), name.name)
    shown = ".".join(name.namespace)
    known = [".".join(one) for one in siblings[:_MOST]]
    end = await asyncio.to_thread(did_you_mean, shown, known)
    return f"There is no {'schema' if outer else 'database'} {shown}{end}"


def _about_suffix(table: Table, name: TableName, suffix: str) -> str:
    """Return a sentence about what follows the name of a table that there is."""
    return f"The table {name} has no metadata table {suffix}{did_you_mean(suffix, sorted(METADATA_TABLES))}"
