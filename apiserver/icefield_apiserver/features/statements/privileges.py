"""Which privileges a statement needs on what it writes. Pure.

What it reads, the catalog itself shows within the caller's access only (core.catalog.granted); views are read with the
rights of whoever reads them.
"""

from __future__ import annotations

import icefield_sql as sql
from icefield_apiserver.core.catalog.grants import DataAccess
from icefield_apiserver.core.errors import Forbidden
from icefield_crds import Privilege

_APPENDS = frozenset({"INSERT", "COPY INTO"})
_CREATES = ("CREATE TABLE", "CREATE VIEW", "CREATE OR REPLACE")


def check_write(access: DataAccess, statement: sql.Statement) -> None:
    """Check that a person may write what a statement writes.

    Raises:
        NotFound: it writes something that the person may not see.
        Forbidden: the person may see that only.
    """
    if not access.is_limited or not statement.is_write:
        return
    privilege = Privilege.INSERT if statement.command in _APPENDS else Privilege.OWN
    for name in statement.writes:
        if statement.command.startswith(_CREATES):
            access.require_to_create(name.namespace, name.name)
        else:
            access.require(privilege, name.namespace, name.name)
    if (new := statement.renamed_to) is not None:
        access.require_to_create(new.namespace, new.name)
    namespace = statement.created_namespace or statement.dropped_namespace
    if namespace:
        access.require_in(Privilege.OWN, namespace)
    elif not statement.writes:
        raise Forbidden(f"Grants limit what you may do here, and {statement.command} needs an admin then.")
