"""Checks of what requests of the protocol write into the catalog: names, properties, locations, texts of views.

Pure. What other calls refuse is refused here as well, whatever the catalog behind it would take.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from icefield_apiserver.core.catalog.metadata import text_of_view
from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA, check_database_name, check_name
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.locations import StoreRoot
from icefield_sql import Names, SqlError, View, read_view

from .operations import REGISTER, CatalogCall
from .rules import check_location, check_manifests, check_properties
from .shapes import at, fields, is_namespace, objects, shown, text

_PROPERTIES = {
    "namespaces": "properties",
    "namespaces/{namespace}/properties": "updates",
    "namespaces/{namespace}/tables": "properties",
    "namespaces/{namespace}/views": "properties",
}
"""Where a body has properties, besides the updates of a commit."""
_LOCATIONS = {
    "namespaces/{namespace}/tables": ("location",),
    "namespaces/{namespace}/views": ("location",),
    "namespaces/{namespace}/register": ("metadata-location",),
}
"""Where a body has a location, besides the updates of a commit."""
_LOCATIONS_OF_UPDATES = {
    "set-location": ("location",),
    "set-statistics": ("statistics", "statistics-path"),
    "set-partition-statistics": ("partition-statistics", "statistics-path"),
    "add-snapshot": ("snapshot", "manifest-list"),
}
"""Where an update of a commit has a location (TableUpdate, ViewUpdate)."""
_ACTIONS = frozenset(
    {
        *_LOCATIONS_OF_UPDATES,
        *("assign-uuid", "upgrade-format-version"),
        *("add-schema", "set-current-schema", "remove-schemas"),
        *("add-spec", "set-default-spec", "remove-partition-specs", "add-sort-order", "set-default-sort-order"),
        *("set-snapshot-ref", "remove-snapshots", "remove-snapshot-ref"),
        *("set-properties", "remove-properties", "remove-statistics", "remove-partition-statistics"),
        *("add-view-version", "set-current-view-version", "add-encryption-key", "remove-encryption-key"),
    }
)
"""Updates that a commit may have (BaseUpdate), as the protocol writes them: catalogs on Iceberg's Java library read
other cases too, so that an unknown word may be a known update to them."""
_DIALECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
"""Without case, a letter beyond ASCII can equal another: to Java the long s (U+017F) is an s, to Python it is not."""


class Contents:
    """Checks the bodies of requests that write into a workspace's catalog.

    Args:
        workspace: its slug, which is the catalog's name.
        catalog_names: all names that SQL has for it, in lower case.
        root: its part of the object store.
    """

    def __init__(self, workspace: str, catalog_names: Collection[str], root: StoreRoot) -> None:
        self._catalog_names = catalog_names
        self._root = root
        self._names = Names(workspace, frozenset(catalog_names))

    def check(self, call: CatalogCall, body: Mapping[str, Any]) -> None:
        """Reject a request that would write what is not allowed, or has another shape than the protocol's.

        Args:
            call: the call.
            body: the request's JSON.

        Raises:
            BadRequest: a name, a property, a location or the text of a view is not allowed, or the shape is wrong.
        """
        template = call.operation.template
        self._check_names(call, fields(body))
        if field := _PROPERTIES.get(template):
            check_properties(body.get(field), field)
        if path := _LOCATIONS.get(template):
            check_location(self._root, body, path)
        if call.operation is REGISTER and not body.get("metadata-location"):
            raise BadRequest("A table is registered with the metadata-location of its metadata file.")
        if template == "namespaces/{namespace}/views":
            self._check_view_version(body.get("view-version"))
        for commit in _commits(template, body):
            self._check_updates(commit)

    def _check_names(self, call: CatalogCall, body: Mapping[str, Any]) -> None:
        template = call.operation.template
        if template == "namespaces":
            self._check_namespace(body.get("namespace"))
        elif template.endswith("/rename"):
            check_name(template.partition("s/")[0], text(at(body, ("destination", "name"))))
        elif template == "transactions/commit":
            for change in objects(body.get("table-changes"), "table-changes"):
                if not is_namespace(at(change, ("identifier", "namespace"))):
                    raise BadRequest(
                        "Each of table-changes has an identifier: a namespace, which is a list, and a name."
                    )
                check_name("table", text(at(change, ("identifier", "name"))))
        elif call.operation.creates:
            check_name("view" if "view" in template else "table", text(body.get("name")))

    def _check_namespace(self, levels: object) -> None:
        if not isinstance(levels, list) or not 1 <= len(levels) <= 2:
            raise BadRequest("A namespace has one level, the database, or two: the database and its schema.")
        check_database_name(text(levels[0]), self._catalog_names)
        if len(levels) == 2:
            check_name("schema", text(levels[1]))
            if levels[1].lower() == DEFAULT_SCHEMA:
                raise BadRequest(f"Schema {DEFAULT_SCHEMA} is the database itself; it exists already.")

    def _check_updates(self, commit: Mapping[str, Any]) -> None:
        """Check the updates of a table or a view (CommitTableRequest, CommitViewRequest)."""
        for update in objects(commit.get("updates"), "updates"):
            action = text(update.get("action"))
            if action not in _ACTIONS:
                raise BadRequest(f"The protocol has no update whose action is {shown(action)!r}.")
            if path := _LOCATIONS_OF_UPDATES.get(action):
                check_location(self._root, update, path)
            if action == "set-properties":
                # Iceberg before 1.2 wrote `updated`, which its Java library reads for good.
                for field in ("updates", "updated"):
                    check_properties(update.get(field), field)
            elif action == "add-view-version":
                self._check_view_version(update.get("view-version"))
            elif action == "add-snapshot":
                if not isinstance(at(update, ("snapshot", "snapshot-id")), int):
                    raise BadRequest("The update add-snapshot has a snapshot with a snapshot-id, which is an integer.")
                check_manifests(self._root, at(update, ("snapshot", "manifests")))

    def _check_view_version(self, version: object) -> None:
        if not isinstance(version, Mapping):
            raise BadRequest("A view has a view-version, which is an object.")
        _check_representations(objects(fields(version).get("representations"), "representations"))
        namespace, catalog = version.get("default-namespace") or [], version.get("default-catalog")
        if not is_namespace(namespace) or not isinstance(catalog, str | None):
            raise BadRequest("A view's default-namespace is a list of strings, and its default-catalog a string.")
        sql, dialect = text_of_view(version)
        try:
            read_view(View(sql, dialect, tuple(namespace), catalog), self._names)
        except SqlError as error:
            raise BadRequest(f"The text of the view is not allowed: {error.sentence}") from error


def _commits(template: str, body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the commits of a request, of one table or view or of several tables."""
    if template == "transactions/commit":
        yield from objects(body.get("table-changes"), "table-changes")
    elif template.endswith(("/{table}", "/{view}")):
        yield body


def _check_representations(representations: Sequence[Mapping[str, Any]]) -> None:
    """Check that each is a text in a dialect of its own: which of them an engine reads is then known."""
    if not representations or any(each.get("type") != "sql" for each in representations):
        raise BadRequest("A view has representations, all of the type sql.")
    if not all(isinstance(each.get(name), str) for each in representations for name in ("sql", "dialect")):
        raise BadRequest("A view's representations have each a sql and a dialect, which are strings.")
    dialects = [each["dialect"] for each in representations]
    if not all(map(_DIALECT.fullmatch, dialects)) or len({each.lower() for each in dialects}) < len(dialects):
        raise BadRequest("A view's representations have each a dialect of their own, such as spark.")
