"""No pod that the operator makes may fill the disk of its node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from icefield_crds import Flavor
from icefield_operator import pod_spec

GOLDEN = sorted(Path(__file__).parent.glob("*/golden/*.yaml"))


def pods_of(built: Any) -> Iterator[dict[str, Any]]:
    """Yield a manifest that is a pod, and pods in the texts of one."""
    if not isinstance(built, dict):
        return
    if built.get("kind") == "Pod":
        yield built["spec"]
    texts = [*(built.get("data") or {}).values(), *(built.get("metadata", {}).get("annotations") or {}).values()]
    for text in texts:
        if "kind: Pod" in text:
            yield from pods_of(yaml.safe_load(text))


PODS = {
    f"{path.parent.parent.name}/{path.stem}-{n}": pod
    for path in GOLDEN
    for n, pod in enumerate(pods_of(yaml.safe_load(path.read_text())))
}


def test_pods_of_every_kind_are_looked_at() -> None:
    assert {name.split("/")[0] for name in PODS} == {"run", "sandbox", "spark", "warehouse"}


@pytest.mark.parametrize("name", PODS)
def test_every_container_and_every_volume_has_a_limit_of_the_disk(name: str) -> None:
    spec = PODS[name]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        resources = container["resources"]
        assert "ephemeral-storage" in resources["limits"], container["name"]
        assert "ephemeral-storage" in resources["requests"], "or the limit would be requested"
    for volume in spec["volumes"]:
        assert "emptyDir" not in volume or volume["emptyDir"].get("sizeLimit"), volume["name"]


@pytest.mark.parametrize(
    ("limit", "request_", "expected"),
    [("20Gi", None, str(64 * 1024**2)), ("1Mi", None, str(1024**2)), ("20Gi", "5Gi", "5Gi")],
)
def test_what_is_set_aside(limit: str, request_: str | None, expected: str) -> None:
    found = pod_spec.with_local_storage({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, limit, request_)
    assert found["requests"] == {"cpu": "1", "ephemeral-storage": expected}
    assert found["limits"] == {"cpu": "2", "ephemeral-storage": limit}


def test_a_flavor_has_a_limit_though_it_names_none() -> None:
    flavor = Flavor.model_validate({"metadata": {"name": "f"}, "spec": {"cpu": "1", "memory": "1Gi"}})
    assert (flavor.spec.ephemeral_storage, pod_spec.local_storage_request(flavor)) == ("20Gi", None)
