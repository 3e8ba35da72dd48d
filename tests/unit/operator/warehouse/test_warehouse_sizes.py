"""How a flavor is shared between gateway and Spark."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_crds import Flavor
from icefield_operator.quantity import MIB
from icefield_operator.warehouse import resources


def _flavor(cpu: str, memory: str, /, **requests: str) -> Flavor:
    spec: dict[str, Any] = {"cpu": cpu, "memory": memory, "requests": requests or None}
    return Flavor.model_validate({"metadata": {"name": "f"}, "spec": spec})


@pytest.mark.parametrize(
    ("memory", "executors", "gateway", "spark"),
    [
        ("1536Mi", False, 512, 1024),
        ("2Gi", False, 1024, 1024),
        ("2Gi", True, 1024, 1024),
        ("8Gi", False, 4096, 4096),
        ("8Gi", True, 6144, 2048),
        ("128Gi", True, 98304, 32768),
    ],
)
def test_memory_is_divided(memory: str, executors: bool, gateway: int, spark: int) -> None:
    shares = resources.shares(_flavor("2", memory), executors=executors)
    assert shares.gateway["limits"]["memory"] == str(gateway * MIB)
    assert shares.spark["limits"]["memory"] == str(spark * MIB)


def test_both_may_take_all_of_the_cpu() -> None:
    shares = resources.shares(_flavor("1500m", "4Gi"), executors=False)
    assert shares.gateway["limits"]["cpu"] == shares.spark["limits"]["cpu"] == "1500m"
    assert shares.gateway["requests"]["cpu"] == shares.spark["requests"]["cpu"] == "750m"


@pytest.mark.parametrize("executors", [False, True])
@pytest.mark.parametrize("requests", [{}, {"cpu": "50m", "memory": "128Mi"}, {"cpu": "3m"}])
def test_what_is_set_aside_is_what_the_flavor_says(requests: dict[str, str], executors: bool) -> None:
    flavor = _flavor("1", "4Gi", **requests)
    shares = resources.shares(flavor, executors=executors)
    memory = sum(int(share["requests"]["memory"]) for share in shares)
    assert memory == (128 * MIB if "memory" in requests else 4096 * MIB)
    for share in shares:
        assert int(share["requests"]["memory"]) <= int(share["limits"]["memory"])
    cpu = sum(int(share["requests"]["cpu"].removesuffix("m")) for share in shares)
    assert cpu == {"50m": 50, "3m": 4, "": 1000}[requests.get("cpu", "")]


@pytest.mark.parametrize(
    ("cpu", "expected"), [("1", (1, "1000m")), ("1500m", (2, "1500m")), ("100m", (1, "100m")), ("0.5", (1, "500m"))]
)
def test_executors_have_whole_cores(cpu: str, expected: tuple[int, str]) -> None:
    size = resources.executor(_flavor(cpu, "2G"))
    assert (size.cores, size.cpu_request) == expected
    assert size.memory_bytes == 2_000_000_000
    assert resources.executor(_flavor("4", "2G", cpu="10m")).cpu_request == "10m"


def test_the_disk_is_divided_and_duckdb_fails_before_the_pod_is_evicted() -> None:
    spec = {"cpu": "1", "memory": "4Gi", "ephemeralStorage": "10Gi", "requests": {"ephemeralStorage": "2Gi"}}
    flavor = Flavor.model_validate({"metadata": {"name": "f"}, "spec": spec})
    for share in resources.shares(flavor, executors=False):
        assert share["limits"]["ephemeral-storage"] == str(5 * 1024**3)
        assert share["requests"]["ephemeral-storage"] == str(1024**3)
    assert resources.spill_bytes(flavor) == 4 * 1024**3
