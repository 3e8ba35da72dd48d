"""Which privileges a statement needs on what it writes, and on the volumes of files. Pure.

The tables that it reads the catalog itself shows within the caller's access only (core.catalog.granted); views are read
with the rights of whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

import icefield_sql as sql
from icefield_apiserver.core.catalog.grants import DataAccess
from icefield_apiserver.core.errors import Forbidden
from icefield_crds import Privilege

_APPENDS = frozenset({"INSERT", "COPY INTO"})
_CREATES = ("CREATE TABLE", "CREATE VIEW", "CREATE OR REPLACE")
_VOLUMES = "volumes"


def check_privileges(access: DataAccess, statement: sql.Statement) -> None:
    """Check that a person may write what a statement writes, and read the files that it reads.

    Raises:
        NotFound: it names something that the person may not see.
        Forbidden: the person may see that only.
    """
    if not access.is_limited:
        return
    subject = statement.explained or statement
    for path, privilege in _files(subject):
        _check_file(access, path, privilege)
    if statement.is_write:
        _check_write(access, statement)


def _check_write(access: DataAccess, statement: sql.Statement) -> None:
    privilege = _needed_to_write(statement)
    for name in statement.writes:
        if statement.command.startswith(_CREATES):
            access.require_to_create(name.namespace, name.name)
        elif not access.may(privilege, name.namespace, name.name):
            table = statement.bases.get(name, name)  # a branch is its table's
            access.require(privilege, table.namespace, table.name)
    if (new := statement.renamed_to) is not None:
        access.require_to_create(new.namespace, new.name)
    namespace = statement.changed_namespace or statement.dropped_namespace
    if namespace:
        access.require_in(Privilege.OWN, namespace)
    elif not statement.writes:
        raise Forbidden(f"Grants limit what you may do here, and {statement.command} needs an admin then.")


def _needed_to_write(statement: sql.Statement) -> Privilege:
    adds_columns = statement.copy_into is not None and statement.copy_into.merge_schema
    return Privilege.INSERT if statement.command in _APPENDS and not adds_columns else Privilege.OWN


def _files(statement: sql.Statement) -> Iterator[tuple[sql.FilePath, Privilege]]:
    """Return the files that a statement names, with what it needs on their volumes."""
    for read in statement.file_reads:
        for path in read.paths:
            yield path, Privilege.SELECT
    if statement.export is not None:
        yield statement.export.path, Privilege.INSERT
    if statement.copy_into is not None and statement.copy_into.bad_rows_path is not None:
        yield statement.copy_into.bad_rows_path, Privilege.INSERT


def _check_file(access: DataAccess, path: sql.FilePath, privilege: Privilege) -> None:
    if path.database is not None:
        access.require_in(privilege, (path.database,))
    elif _VOLUMES in path.path.split("/"):
        raise Forbidden("Grants limit what you may do here, so name files as volumes/<database>/<volume>/<path>.")
