"""The pod that builds an environment, and what mounts one."""

from __future__ import annotations

from icefield_crds.names import ENVIRONMENT_SECRET
from icefield_crds.requirements import Requirements
from icefield_operator.environment.build import Environment, EnvironmentSettings, Mounted, builder

SETTINGS = EnvironmentSettings("icefield/runtime:1", "IfNotPresent", "https://packages.example/simple")
WANTED = Requirements(("humanize>=4",), None)


def test_code_of_packages_runs_without_keys() -> None:
    pod = builder(Environment("acme", "acme/etl:1", WANTED), SETTINGS)
    tools, build = pod["spec"]["initContainers"]
    (store,) = pod["spec"]["containers"]
    assert (tools["image"], build["image"], store["image"]) == (
        "icefield/runtime:1",
        "acme/etl:1",
        "icefield/runtime:1",
    )
    assert "envFrom" not in build
    assert not any("valueFrom" in variable for variable in build["env"])
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert ENVIRONMENT_SECRET not in str(pod)
    assert {"name": "UV_DEFAULT_INDEX", "value": "https://packages.example/simple"} in build["env"]
    for container in (tools, build, store):
        assert container["securityContext"]["readOnlyRootFilesystem"]


def test_an_environment_is_of_its_requirements_and_its_image() -> None:
    first = Environment("acme", "etl:1", WANTED)
    assert first.builder == builder(first, SETTINGS)["metadata"]["name"]
    assert first.key == f"workspaces/acme/environments/{first.digest}.tar.gz"
    others = [
        Environment("acme", "etl:2", WANTED),
        Environment("acme", "etl:1", Requirements(("humanize>=3",), None)),
        Environment("acme", "etl:1", Requirements((), "humanize>=4")),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 4


def test_it_is_mounted_where_it_was_built() -> None:
    environment = Environment("acme", "etl:1", WANTED)
    spec = Mounted(environment, SETTINGS).into(
        {"containers": [{"name": "task", "volumeMounts": []}, {"name": "beside"}], "volumes": []},
        "8Gi",
    )
    (fetch,) = spec["initContainers"]
    assert fetch["command"][-2:] == ["fetch", environment.key]
    built = next(
        mount
        for mount in builder(environment, SETTINGS)["spec"]["initContainers"][1]["volumeMounts"]
        if mount["name"] == "environment"
    )
    assert spec["containers"][0]["volumeMounts"] == [built]
    assert spec["containers"][1] == {"name": "beside"}
