"""What the overlays promise: images that are known, no Secrets, production's two API servers, two node ports."""

import re

import pytest
import yaml
from tests.unit.manifests.rendering import OVERLAYS, REPOSITORY, Manifest, containers, of_kind, pod_specs
from tests.unit.manifests.rendering import render as rendered

OURS = re.compile(r"^(localhost|registry\.example\.com)/icefield/(?P<name>[a-z]+):[\w.-]+$")
PINNED = re.compile(r"^[\w.-]+\.[a-z]+/[\w./-]+:(?!latest)[\w.-]+(@sha256:[0-9a-f]{64})?$")


def _built() -> set[str]:
    listed = yaml.safe_load((REPOSITORY / "images" / "images.yaml").read_text())["images"]
    return {image["name"] for image in listed}


def _images(overlay: str) -> set[str]:
    of_pods = {container["image"] for _, pod in pod_specs(overlay) for container in containers(pod)}
    (settings,) = (
        manifest["data"]
        for manifest in of_kind(overlay, "ConfigMap")
        if manifest["metadata"]["name"].startswith("icefield-operator-")
    )
    return of_pods | {settings["ICEFIELD_RUNTIME_IMAGE"], settings["ICEFIELD_TINI_IMAGE"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_image_is_ours_or_pinned(overlay: str) -> None:
    for image in _images(overlay):
        ours = OURS.match(image)
        assert (ours and ours["name"] in _built()) or (not ours and PINNED.match(image)), image


def test_standalone_pulls_nothing() -> None:
    assert all(image.startswith("localhost/") for image in _images("standalone"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_part_of_an_overlay(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_says_what_it_is_part_of(overlay: str) -> None:
    for manifest in rendered(overlay):
        labels = manifest["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/part-of") == "icefield", manifest["metadata"]["name"]


def _node_ports(overlay: str) -> dict[str, int]:
    services = of_kind(overlay, "Service")
    return {
        service["metadata"]["name"]: port["nodePort"]
        for service in services
        for port in service["spec"]["ports"]
        if "nodePort" in port
    }


@pytest.mark.parametrize("overlay", ["standalone", "kind"])
def test_node_ports(overlay: str) -> None:
    assert _node_ports(overlay) == {"icefield-apiserver": 30443, "icefield-object-store": 30070}


def test_production_brings_nothing_that_its_owner_has() -> None:
    assert _node_ports("production") == {}
    assert of_kind("production", "StatefulSet") == []


def test_production_survives_a_drained_node() -> None:
    replicas = {d["metadata"]["name"]: d["spec"]["replicas"] for d in of_kind("production", "Deployment")}
    assert replicas == {"icefield-apiserver": 2, "icefield-operator": 1}
    (budget,) = of_kind("production", "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def test_a_second_operator_never_runs_beside_the_first() -> None:
    for overlay in OVERLAYS:
        operator = _named(of_kind(overlay, "Deployment"), "icefield-operator")
        assert operator["spec"]["replicas"] == 1
        assert operator["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("overlay", ["standalone", "kind"])
def test_flavors_fit_a_small_node(overlay: str) -> None:
    for flavor in of_kind(overlay, "Flavor"):
        if not flavor["spec"].get("gpu"):
            assert flavor["spec"]["requests"] == {"cpu": "50m", "memory": "128Mi"}


def test_each_volume_of_the_host_is_promised_to_its_claim() -> None:
    claims = {
        f"{template['metadata']['name']}-{workload['metadata']['name']}-0"
        for workload in of_kind("standalone", "StatefulSet")
        for template in workload["spec"]["volumeClaimTemplates"]
    }
    assert {volume["spec"]["claimRef"]["name"] for volume in of_kind("standalone", "PersistentVolume")} == claims


def _named(manifests: list[Manifest], name: str) -> Manifest:
    (found,) = (manifest for manifest in manifests if manifest["metadata"]["name"] == name)
    return found
