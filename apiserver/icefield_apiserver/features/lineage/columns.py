"""Which columns the columns of a table are made of, as statements tell it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import orjson

MAX_SETS = 50
"""Of how many different ways of writing a table the columns are shown together; the newest."""
_DIRECT = frozenset({"IDENTITY", "TRANSFORMATION", "AGGREGATION"})


class SourceColumn(NamedTuple):
    """A column that something is made of.

    Attributes:
        uuid: identity of its table or view.
        column: its name.
        subtype: as OpenLineage's facet columnLineage has it, such as IDENTITY or FILTER.
    """

    uuid: str
    column: str
    subtype: str

    @property
    def type(self) -> str:
        """DIRECT where values flow, INDIRECT where they decide."""
        return "DIRECT" if self.subtype in _DIRECT else "INDIRECT"


@dataclass(frozen=True)
class ColumnSet:
    """What a statement makes the columns of its target of.

    Attributes:
        fields: the columns with what each is made of.
        dataset: what decides which rows there are, and in which order.
    """

    fields: Mapping[str, tuple[SourceColumn, ...]]
    dataset: tuple[SourceColumn, ...]

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        fields = {name: [list(each) for each in sources] for name, sources in self.fields.items()}
        return {"fields": fields, "dataset": [list(each) for each in self.dataset]}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return what is in a JSON object of `to_json`."""
        known = {name: tuple(SourceColumn(*each) for each in sources) for name, sources in fields["fields"].items()}
        return cls(known, tuple(SourceColumn(*each) for each in fields["dataset"]))

    def of_tables(self, uuids: Container[str]) -> ColumnSet:
        """Return this without the columns of other tables than these."""
        fields = {name: _among(sources, uuids) for name, sources in self.fields.items()}
        return ColumnSet(fields, _among(self.dataset, uuids))

    @property
    def digest(self) -> str:
        """SHA-256 of it; statements whose columns have the same sources have the same digest."""
        return hashlib.sha256(orjson.dumps(self.to_json(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _among(sources: tuple[SourceColumn, ...], uuids: Container[str]) -> tuple[SourceColumn, ...]:
    return tuple(each for each in sources if each.uuid in uuids)


def merged(sets: Iterable[ColumnSet]) -> ColumnSet:
    """Return all that the columns of a table are made of, each once.

    Args:
        sets: what its statements made them of, newest first.
    """
    fields: dict[str, dict[SourceColumn, None]] = {}
    dataset: dict[SourceColumn, None] = {}
    for each in sets:
        dataset.update(dict.fromkeys(each.dataset))
        for name, sources in each.fields.items():
            fields.setdefault(name, {}).update(dict.fromkeys(sources))
    return ColumnSet({name: tuple(sources) for name, sources in fields.items()}, tuple(dataset))
