"""Renders the overlays with the program that users have: `kubectl kustomize`."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from icefield_cluster.programs import binaries

REPOSITORY = Path(__file__).resolve().parents[3]
OVERLAYS = ("standalone", "kind", "production")

Manifest = dict[str, Any]


def kubectl() -> str:
    """Return the kubectl that a standalone cluster brings, or else the one on PATH.

    Raises:
        FileNotFoundError: there is neither.
    """
    built = binaries.find("kubectl")
    found = str(built) if built.exists() else shutil.which("kubectl")
    if found is None:
        raise FileNotFoundError("no kubectl: `make test` builds one, or put one on PATH")
    return found


def overlay(name: str) -> Path:
    """Return the folder of an overlay."""
    return REPOSITORY / "manifests" / "overlays" / name


@functools.cache
def render(name: str) -> tuple[Manifest, ...]:
    """Return every object of an overlay, in the order in which it is applied."""
    command = [kubectl(), "kustomize", str(overlay(name))]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return tuple(yaml.safe_load_all(rendered))


def of_kind(name: str, kind: str) -> list[Manifest]:
    """Return the objects of one kind in an overlay."""
    return [manifest for manifest in render(name) if manifest["kind"] == kind]


def pod_specs(name: str) -> Iterator[tuple[str, Manifest]]:
    """Yield name and pod spec of every workload in an overlay."""
    for manifest in render(name):
        if "template" in manifest.get("spec", {}) and manifest["kind"] != "CustomResourceDefinition":
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    """Return all containers of a pod spec, those that run first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]
