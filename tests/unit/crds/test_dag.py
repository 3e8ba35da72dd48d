"""Dependencies of tasks: unknown ones, cycles, and an order."""

from __future__ import annotations

from itertools import pairwise

import pytest

from icefield_crds import Task
from icefield_crds.dag import cycle, in_order, unknown_dependency


def _tasks(graph: dict[str, list[str]]) -> list[Task]:
    return [Task(key=key, command="true", depends_on=upstream) for key, upstream in graph.items()]


@pytest.mark.parametrize(
    ("graph", "edges"),
    [
        ({"a": [], "b": ["a"]}, None),
        ({"a": ["b"], "b": ["a"]}, {"a->b", "b->a"}),
        ({"a": ["a"]}, {"a->a"}),
        ({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"], "y": []}, {"a->b", "b->c", "c->a"}),
        ({"behind": ["b"], "b": ["ok", "c"], "c": ["b"], "ok": []}, {"b->c", "c->b"}),
        ({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, None),
    ],
)
def test_cycles_are_found_and_named(graph: dict[str, list[str]], edges: set[str] | None) -> None:
    path = cycle(_tasks(graph))
    if path is None or edges is None:
        assert path == edges
    else:
        assert {f"{task}->{upstream}" for task, upstream in pairwise(path)} == edges


def test_an_unknown_dependency_is_named() -> None:
    assert unknown_dependency(_tasks({"a": [], "b": ["a", "z"]})) == ("b", "z")
    assert unknown_dependency(_tasks({"a": [], "b": ["a"]})) is None


def test_a_hundred_tasks_in_a_row_are_put_in_order() -> None:
    keys = [f"t{n}" for n in range(100)]
    tasks = _tasks({key: keys[n - 1 : n] if n else [] for n, key in enumerate(keys)})
    assert [task.key for task in in_order(tasks[::-1])] == keys
