"""Which warehouse is asked, and how large one is that is made."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.features.query.warehouses import chosen, smallest
from icefield_crds import Flavor, Warehouse


def warehouse(name: str, phase: str, display_name: str | None = None) -> Warehouse:
    spec = {"desiredState": "stopped" if phase == "stopped" else "running", "displayName": display_name}
    meta = {"name": name, "namespace": "icefield-acme", "generation": 1}
    status = {"phase": phase, "observedGeneration": 1}
    return Warehouse.model_validate({"metadata": meta, "spec": spec, "status": status})


def flavor(name: str, cpu: str, memory: str, gpu: int = 0) -> Flavor:
    return Flavor.model_validate({"metadata": {"name": name}, "spec": {"cpu": cpu, "memory": memory, "gpu": gpu}})


@pytest.mark.parametrize(
    ("there", "read", "write"),
    [
        ([], None, None),
        ([("a", "stopped")], "a", "a"),
        ([("a", "stopped"), ("b", "running")], "b", "b"),
        ([("a", "running"), ("default", "stopped")], "default", "a"),
        ([("a", "running"), ("default", "running")], "default", "default"),
        ([("a", "stopped"), ("default", "error")], "a", "a"),
        ([("a", "error")], "a", "a"),
        ([("a", "starting"), ("b", "stopped")], "a", "a"),
        ([("a", "running"), ("x", "stopped", "default")], "x", "a"),
    ],
)
def test_the_warehouse_that_is_asked(there: list[tuple[str, ...]], read: str | None, write: str | None) -> None:
    warehouses = [warehouse(*each) for each in there]

    def name(found: Warehouse | None) -> Any:
        return found.metadata.name if found else None

    assert (name(chosen(warehouses)), name(chosen(warehouses, is_write=True))) == (read, write)


def test_the_smallest_size_on_which_one_runs() -> None:
    sizes = [
        flavor("cpu.4", "4", "16Gi"),
        flavor("cpu.2", "2", "8Gi"),
        flavor("tiny", "1", "1Gi"),
        flavor("gpu.1", "1", "2Gi", gpu=1),
        flavor("cpu.1", "1", "4Gi"),
        flavor("cpu.1x", "1500m", "4Gi"),
    ]
    assert smallest(sizes) == "cpu.1"
    assert smallest([flavor("tiny", "1", "1Gi")]) is None
