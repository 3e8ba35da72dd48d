"""Looking up in the catalog what a statement names: its tables, and the views with everything in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from icefield_sql.lang import planning_time
from icefield_sql.lang.errors import SqlError, TakesTooLong, UnresolvedName
from icefield_sql.lang.names import Names, TableName, reference_in

from .files.model import FileRead, FileReader, FileSet
from .missing import about_missing
from .model import CatalogReader, GrantRow, Table, View
from .scoping import TableRef
from .statement import Statement
from .views import read_view

MAX_VIEW_DEPTH = 20
MAX_NAMES = 500
MAX_EXPLAINED = 5
"""For how many names that do not exist those that do are listed."""
_CONCURRENT = 16
VIEWS_SECONDS = 1.0
"""How long the texts of all views that a statement reads may be read, in the time of the threads that do."""
_LONG_TEXT = 8 * 1024
"""A longer view is parsed in a thread: it would delay every other request."""
_LOOP_SECONDS = 0.02
"""A view that takes longer is parsed in a thread as well."""


@dataclass(frozen=True)
class Resolved:
    """A statement with what the catalog has of the names in it and in its views.

    Args:
        statement: the statement.
        objects: the tables and views by name; what the catalog does not have is absent.
        views: the parsed text of each view that is read.
        refused: the views that cannot be read, with a sentence that says why.
        namespaces: the databases or schemas that a SHOW asks for.
        relations: (name, whether it is a view) of the tables and views that a SHOW asks for.
        grants: the grants that a SHOW asks for.
        missing: for each name that the catalog does not have, a sentence that says so and what may be meant.
        files: what the object store has of the files that it reads.
    """

    statement: Statement
    objects: Mapping[TableName, Table | View]
    views: Mapping[TableName, Statement] = field(default_factory=dict)
    refused: Mapping[TableName, str] = field(default_factory=dict)
    namespaces: tuple[tuple[str, ...], ...] = ()
    relations: tuple[tuple[str, bool], ...] = ()
    grants: tuple[GrantRow, ...] = ()
    missing: Mapping[TableName, str] = field(default_factory=dict)
    files: Mapping[FileRead, FileSet] = field(default_factory=dict)


async def resolve(statement: Statement, reader: CatalogReader, files: FileReader | None = None) -> Resolved:
    """Load the tables and views that a statement names, those that its views name, and the columns of its files.

    Args:
        statement: the statement.
        reader: the catalog.
        files: the files of the workspace; None where a statement may not read any.

    Raises:
        SqlError: it names too many, or files where it may not.
        UnresolvedName: files do not exist, or cannot be read.
    """
    subject = statement.explained or statement
    loader = _Loader(reader)
    await loader.load(_wanted(subject), subject.names)
    namespaces, relations = await _listed(statement, reader)
    found = await _files(subject, files)
    resolved = Resolved(
        statement,
        loader.objects,
        loader.views,
        loader.refused,
        namespaces,
        relations,
        _grants(statement, reader),
        files=found,
    )
    missing = {name: await about_missing(name, reader) for name in _missing(subject, resolved)[:MAX_EXPLAINED]}
    return replace(resolved, missing=missing) if missing else resolved


def _missing(statement: Statement, resolved: Resolved) -> list[TableName]:
    """Return the names of tables and views that a statement needs and the catalog does not have."""
    needed = [needed_by(ref, resolved) for ref in statement.found.tables]
    if statement.show is not None and statement.show.table is not None:
        needed.append(statement.show.table)
    needed += [table_meant(name, resolved) for name in statement.must_exist]
    return [name for name in dict.fromkeys(needed) if name not in resolved.objects]


async def _files(statement: Statement, files: FileReader | None) -> dict[FileRead, FileSet]:
    if statement.file_reads and files is None:
        raise SqlError(f"{statement.file_reads[0].function} is a function of SQL statements on warehouses.")
    return {read: await files.read(read) for read in statement.file_reads} if files else {}


def _grants(statement: Statement, reader: CatalogReader) -> tuple[GrantRow, ...]:
    show = statement.show
    if show is None or show.what != "grants" or show.namespace is None:
        return ()
    return tuple(reader.grants(show.namespace[0], show.table))


async def _listed(
    statement: Statement, reader: CatalogReader
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, bool], ...]]:
    show = statement.show
    if show is None or show.namespace is None:
        return (), ()
    if show.what == "databases":
        return tuple(sorted(await reader.namespaces(show.namespace))), ()
    if show.what in ("tables", "views"):
        return (), tuple(await reader.relations(show.namespace))
    return (), ()


def _wanted(statement: Statement) -> set[TableName]:
    bases = {ref.base for ref in statement.found.tables if ref.base}
    return {*statement.reads, *statement.writes, *bases, *statement.bases.values()}


class _Loader:
    def __init__(self, reader: CatalogReader) -> None:
        self.reader = reader
        self.objects: dict[TableName, Table | View] = {}
        self.views: dict[TableName, Statement] = {}
        self.refused: dict[TableName, str] = {}
        self._asked: set[TableName] = set()
        self._seconds = VIEWS_SECONDS
        self._slots = asyncio.Semaphore(_CONCURRENT)

    async def load(self, wanted: Iterable[TableName], names: Names, depth: int = 0) -> None:
        new = [name for name in wanted if name not in self._asked]
        self._asked.update(new)
        if len(self._asked) > MAX_NAMES:
            raise SqlError(f"The statement names more than {MAX_NAMES} tables and views.")
        loaded = await asyncio.gather(*(self._one(name) for name in new))
        inner: set[TableName] = set()
        for name, found in zip(new, loaded, strict=True):
            if found is None:
                continue
            self.objects[name] = found
            if isinstance(found, View):
                inner |= await self._read(name, found, names)
        if inner and depth < MAX_VIEW_DEPTH:
            await self.load(inner, names, depth + 1)

    async def _read(self, name: TableName, view: View, names: Names) -> set[TableName]:
        """Parse a view, and return what it names."""
        try:
            statement = await self._statement(view, names)
        except SqlError as error:
            self.refused[name] = error.bare
            return set()
        self.views[name] = statement
        return _wanted(statement)

    async def _statement(self, view: View, names: Names) -> Statement:
        if len(view.sql) <= _LONG_TEXT:
            try:
                return self._parse(view, names, min(_LOOP_SECONDS, self._seconds))
            except TakesTooLong:
                pass
        return await asyncio.to_thread(self._parse, view, names, self._seconds)

    def _parse(self, view: View, names: Names, seconds: float) -> Statement:
        began = time.thread_time()
        try:
            with planning_time.limited_to(seconds):
                return read_view(view, names)
        finally:
            self._seconds -= time.thread_time() - began

    async def _one(self, name: TableName) -> Table | View | None:
        async with self._slots:
            return await self.reader.load(name)


def is_metadata(ref: TableRef, resolved: Resolved) -> bool:
    """Return whether a name means a metadata table of Iceberg, such as `demo.orders.snapshots`."""
    return _is_of_base(ref, resolved) and reference_in(ref.name.name) is None


def reference_of(ref: TableRef, resolved: Resolved) -> str | None:
    """Return the branch or tag that a name means, such as x of `demo.orders.branch_x`; None where it means none."""
    return reference_in(ref.name.name) if _is_of_base(ref, resolved) else None


def needed_by(ref: TableRef, resolved: Resolved) -> TableName:
    """Return the table that has to exist for a name to mean something."""
    name = meant(ref, resolved)
    is_suffixed = ref.base is not None and name.namespace == (*ref.base.namespace, ref.base.name)
    return ref.base if ref.base is not None and is_suffixed and name not in resolved.objects else name


def _is_of_base(ref: TableRef, resolved: Resolved) -> bool:
    return ref.base is not None and ref.name not in resolved.objects and ref.base in resolved.objects


def table_meant(name: TableName, resolved: Resolved) -> TableName:
    """Return the table that a statement writes: of a branch, the one that has it."""
    subject = resolved.statement.explained or resolved.statement
    base = subject.bases.get(name)
    return base if base is not None and name not in resolved.objects and base in resolved.objects else name


def meant(ref: TableRef, resolved: Resolved) -> TableName:
    """Return the table of the catalog that a name means, for lineage."""
    return ref.base if ref.base is not None and _is_of_base(ref, resolved) else ref.name


def not_found(name: TableName, resolved: Resolved, at: int | None = None) -> UnresolvedName:
    """Return the error of a statement that names what the catalog does not have.

    Args:
        name: the name.
        resolved: what the catalog has.
        at: where it is in the statement's text; None to look for it there.
    """
    source = resolved.statement.source
    sentence = resolved.missing.get(name, f"There is no table or view {name}.")
    at = source.find(name.name) if at is None else at
    return UnresolvedName("TABLE_OR_VIEW_NOT_FOUND", sentence if at is None else f"{source.place(at)}: {sentence}")
