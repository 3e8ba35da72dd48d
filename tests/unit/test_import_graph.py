"""The import graph of our packages has no cycles: not between packages, and not between the modules of one package."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import takewhile

import grimp
import pytest

PACKAGES = (
    "icefield_crds",
    "icefield_kube",
    "icefield_sql",
    "icefield_operator",
    "icefield_apiserver",
    "icefield_engines",
    "icefield_cluster",
)

Edges = Mapping[str, Mapping[str, list[str]]]
"""From a sibling to the siblings that it imports, each with the imports themselves."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=False, cache_dir=None)


def test_no_cycles(graph: grimp.ImportGraph) -> None:
    found = [
        f"{parent}: {sorted(cycle)}\n" + "\n".join(_imports_within(cycle, edges))
        for parent, edges in _siblings(graph).items()
        for cycle in _cycles(edges)
    ]
    assert not found, "\n\n".join(["These import each other:", *found])


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ([("a", "b"), ("b", "c")], []),
        ([("a", "b"), ("b", "a"), ("b", "c")], [{"a", "b"}]),
        ([("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "d")], [{"a", "b", "c"}, {"d", "e"}]),
    ],
)
def test_cycles_are_found(imports: list[tuple[str, str]], expected: list[set[str]]) -> None:
    graph = grimp.ImportGraph()
    for importer, imported in imports:
        graph.add_import(importer=f"ours.{importer}.x", imported=f"ours.{imported}.y")
    assert sorted(map(sorted, _cycles(_siblings(graph)["ours"]))) == list(map(sorted, expected))


def _siblings(graph: grimp.ImportGraph) -> dict[str, Edges]:
    """By package: which of its direct children, packages and modules alike, imports which other."""
    found: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for importer in sorted(graph.modules):
        for imported in graph.find_modules_directly_imported_by(importer):
            here, there = importer.split("."), imported.split(".")
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False)))
            if common < min(len(here), len(there)):
                parent = ".".join(here[:common])
                found[parent][here[common]][there[common]].append(f"    {importer} imports {imported}")
    return {parent: dict(edges) for parent, edges in found.items()}


def _cycles(edges: Edges) -> list[set[str]]:
    """The largest groups of siblings of which each imports each, directly or not."""
    reached = {sibling: _reached_from(sibling, edges) for sibling in edges}
    groups = {
        frozenset(other for other in reached[sibling] if sibling in reached.get(other, ())) for sibling in reached
    }
    return [set(group) for group in groups if group]


def _reached_from(sibling: str, edges: Edges) -> set[str]:
    seen: set[str] = set()
    waiting = [sibling]
    while waiting:
        new = set(edges.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += new
    return seen


def _imports_within(cycle: set[str], edges: Edges) -> Iterator[str]:
    for importer in sorted(cycle):
        for imported in sorted(cycle & set(edges.get(importer, {}))):
            yield edges[importer][imported][0]
