"""The steps of docs/install.md for a cloud cluster, as they stand, on a real kube-apiserver; without nodes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from icefield_cluster.paths import CHECKOUT
from tests.controlplane import ControlPlane, running_control_plane
from tests.e2e.pages.exceptions import CONTROL_PLANE, blocks_with
from tests.e2e.pages.programs import bash
from tests.unit.manifests.rendering import kubectl

pytestmark = pytest.mark.integration

PAGE = "docs/install.md"
SECRETS = {
    "icefield-admin",
    "icefield-catalog-server",
    "icefield-object-store",
    "icefield-postgres",
    "icefield-run-token",
    "icefield-session",
    "icefield-tls",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane in which the page's blocks were run."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("crds", "manifests"):
        (folder / name).symlink_to(CHECKOUT / name)
    blocks = blocks_with(PAGE, CONTROL_PLANE)
    assert len(blocks) == 2
    with running_control_plane() as plane:
        path = f"{Path(kubectl()).parent}{os.pathsep}{os.environ['PATH']}"
        shell = bash(folder, {**os.environ, "PATH": path, "KUBECONFIG": str(plane.kubeconfig)})
        try:
            for block in blocks:
                shell.run(f"{block.code}\nprintf . >&$ended\n", timeout=120)
        finally:
            shell.stop()
        yield plane


def objects(plane: ControlPlane, *arguments: str) -> list[dict[str, Any]]:
    """Return what `kubectl get` lists."""
    found: list[dict[str, Any]] = json.loads(plane.kubectl("get", *arguments, "-o", "json"))["items"]
    return found


def test_every_secret_and_key_that_pods_refer_to_is_made(installed: ControlPlane) -> None:
    secrets = {
        each["metadata"]["name"]: set(each["data"]) for each in objects(installed, "-n", "icefield-system", "secret")
    }
    assert secrets.keys() >= SECRETS
    wanted = _references(objects(installed, "-n", "icefield-system", "deployment,daemonset"))
    assert wanted
    assert {(name, key) for name, key in wanted if key not in secrets.get(name, set())} == set()


def test_images_come_from_the_readers_registry(installed: ControlPlane) -> None:
    [settings] = (
        each["data"]
        for each in objects(installed, "-n", "icefield-system", "configmap")
        if "ICEFIELD_RUNTIME_IMAGE" in each["data"]
    )
    images = {value for name, value in settings.items() if name.endswith("_IMAGE")}
    for workload in objects(installed, "-n", "icefield-system", "deployment,daemonset"):
        pod = workload["spec"]["template"]["spec"]
        images |= {container["image"] for container in pod["containers"] + pod.get("initContainers", [])}
    assert {image for image in images if "icefield" in image and "registry.example.com/acme/" not in image} == set()


def test_the_ingress_leads_to_the_api_server(installed: ControlPlane) -> None:
    [ingress] = objects(installed, "-n", "icefield-system", "ingress")
    [rule] = ingress["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = json.loads(installed.kubectl("-n", "icefield-system", "get", "service", backend["name"], "-o", "json"))
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_workspace_names_secrets_that_are_there(installed: ControlPlane) -> None:
    store = json.loads(installed.kubectl("get", "workspace", "analytics", "-o", "json"))["spec"]["objectStore"]
    secrets = {each["metadata"]["name"]: each["data"] for each in objects(installed, "-n", "icefield-system", "secret")}
    for name in (store["credentialsSecret"], store["readerCredentialsSecret"]):
        assert secrets[name].keys() == {"accessKeyId", "secretAccessKey"}


def _references(workloads: list[dict[str, Any]]) -> set[tuple[str, str]]:
    found = set()
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        for container in pod["containers"] + pod.get("initContainers", []):
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and not reference.get("optional"):
                    found.add((reference["name"], reference["key"]))
        for volume in pod.get("volumes", []):
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                secret = source.get("secret", {})
                if not secret.get("optional"):
                    name = secret.get("secretName", secret.get("name"))
                    found |= {(name, item["key"]) for item in secret.get("items", [])}
    return found
