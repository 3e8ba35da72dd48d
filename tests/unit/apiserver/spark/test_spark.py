"""Machine types, tags, and applications that could never run."""

from __future__ import annotations

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.query.sizes import GIB, Inputs, InputTable
from icefield_apiserver.features.query.spark import machines_for
from icefield_apiserver.features.spark.application import new_application, tag_of
from icefield_apiserver.features.spark.machines import Machines, pod_of


@pytest.mark.parametrize(
    ("machine", "cpu", "memory"),
    [("spark.1.c", "1", "2Gi"), ("spark.1.b", "1", "4Gi"), ("spark.4.m", "4", "32Gi"), ("spark.16.b", "16", "64Gi")],
)
def test_machine_types(machine: str, cpu: str, memory: str) -> None:
    pod = pod_of(machine, "driver")
    assert (pod.cpu, pod.memory) == (cpu, memory)


@pytest.mark.parametrize(
    "machine", ["", "spark", "spark.1", "spark.3.b", "spark.1.x", "g.1.b", "spark.1.b.c", "spark.01.b"]
)
def test_what_is_no_machine_type(machine: str) -> None:
    with pytest.raises(BadRequest, match="Field driver: there is no machine type"):
        pod_of(machine, "driver")


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("team=data", "team", "data"),
        ("team:data", "team", "data"),
        ("nightly", "nightly", "true"),
        ("a=b=c", "a", "b=c"),
    ],
)
def test_tags(text: str, key: str, value: str) -> None:
    assert tag_of(text, "run") == {"key": key, "value": value, "source": "run"}


@pytest.mark.parametrize("text", ["=x", " ", ":"])
def test_what_is_no_tag(text: str) -> None:
    with pytest.raises(BadRequest):
        tag_of(text, "run")


def test_what_could_never_run_is_refused_in_a_sentence() -> None:
    fields = ("driver", "executor")
    with pytest.raises(BadRequest, match=r"packages\[0\]"):
        new_application(Machines(), fields, entrypoint="s3://b/x.py", packages=["no coordinates"])
    with pytest.raises(BadRequest, match=r"1048576 bytes"):
        new_application(Machines(), fields, entrypoint="s3://b/x.py", arguments=["x" * 30_000] * 60)


def test_machines_grow_with_the_input() -> None:
    numbers = [machines_for(Inputs((InputTable("t", size),))).executors for size in (0, 2 * GIB, 64 * GIB)]
    assert numbers == sorted(set(numbers))
