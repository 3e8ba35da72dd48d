"""A catalog in memory for tests of the plan: what a real one would answer, given as a dictionary."""

from __future__ import annotations

from collections.abc import Mapping

from icefield_sql import Table, TableName, View


class MemoryCatalog:
    """A CatalogReader over `{"demo.orders": Table(...), "demo.raw.events": ...}`; counts how often it is asked."""

    def __init__(self, objects: Mapping[str, Table | View]) -> None:
        self.objects = {_name(name): found for name, found in objects.items()}
        self.loads: list[TableName] = []

    async def load(self, name: TableName) -> Table | View | None:
        self.loads.append(name)
        return self.objects.get(name)

    async def namespaces(self, parent: tuple[str, ...]) -> list[tuple[str, ...]]:
        size = len(parent)
        found = {name.namespace[: size + 1] for name in self.objects if name.namespace[:size] == parent}
        return sorted(namespace for namespace in found if len(namespace) > size)

    async def relations(self, namespace: tuple[str, ...]) -> list[tuple[str, bool]]:
        return [
            (name.name, isinstance(found, View)) for name, found in self.objects.items() if name.namespace == namespace
        ]


def _name(dotted: str) -> TableName:
    *namespace, name = dotted.split(".")
    return TableName(tuple(namespace), name)
