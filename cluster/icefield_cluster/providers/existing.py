"""An existing cluster, reached with the current kubeconfig."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from icefield_cluster import images
from icefield_cluster.commands import CommandError, output, run
from icefield_cluster.errors import ClusterError
from icefield_cluster.install.generated import NAMESPACE
from icefield_cluster.install.installer import Installer, Target
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.install.node import node_address
from icefield_cluster.parts import Part
from icefield_cluster.progress import Steps
from icefield_cluster.providers import docker
from icefield_cluster.state import ClusterState, write_private


def why_not() -> str:
    """Why there is no cluster to install into; empty when there is."""
    if shutil.which("kubectl") is None:
        return "an existing cluster needs kubectl on PATH"
    return "" if current_context() else "there is no current kubeconfig context"


def current_context() -> str:
    """The current kubeconfig context; empty when there is none."""
    try:
        return output(["kubectl", "config", "current-context"], timeout=20).strip()
    except CommandError:
        return ""


def kubectl(state: ClusterState) -> Kubectl:
    """The kubectl on PATH with a copy of the kubeconfig at the first `up`: a later change of the current context has no
    effect here."""
    return Kubectl(Path(shutil.which("kubectl") or "kubectl"), state.kubeconfig)


def enter(_: ClusterState) -> tuple[str, ...]:
    """Empty: programs of this machine cannot join the cluster's network."""
    return ()


def up(state: ClusterState, steps: Steps) -> None:
    """Build, push and install; raises ClusterError.

    ICEFIELD_REGISTRY names the registry: nodes have to be able to pull from it, and Docker here to push to it.
    """
    registry = os.environ.get("ICEFIELD_REGISTRY", "")
    if not registry:
        raise ClusterError(
            "an existing cluster needs a registry that its nodes can pull our images from",
            fix="set ICEFIELD_REGISTRY (e.g. registry.example.com/team), and `docker login` to it",
        )
    if not docker.runs():
        raise ClusterError("building images for an existing cluster needs a running Docker", fix="start Docker")
    with steps.step("Cluster") as step:
        if not state.kubeconfig.exists():
            text = output(["kubectl", "config", "view", "--raw", "--minify", "--flatten"], timeout=20)
            write_private(state.kubeconfig, text)
            state.context = current_context()
            state.save()
        address = node_address(kubectl(state))
        step.note(f"{state.context}, {address}")
    catalogue = images.load()
    with steps.step("Build images") as step:
        tags = docker.build_all(catalogue, registry, state.logs, step.note)
    with steps.step("Push images") as step:
        for name, tag in tags.items():
            step.note(name)
            run(["docker", "push", catalogue[name].reference(tag, registry)], log=step.log, timeout=900)
    Installer(state, steps, Target(kubectl(state), address, "kind", registry=registry)).install(tags)


def parts(_: ClusterState) -> list[Part]:
    """Nothing: what it has besides its nodes is not ours."""
    return []


def down(state: ClusterState, steps: Steps) -> None:
    """Remove Icefield from the cluster, the cluster itself stays; raises ClusterError."""
    with steps.step("Remove Icefield") as step:
        client = kubectl(state)
        wait = ["--ignore-not-found", "--timeout=180s"]
        # The operator has to process the deletion of workspaces: it cleans up what is stored outside the cluster.
        client.run("delete", "workspaces.icefield.dev", "--all", *wait, log=step.log, timeout=200)
        overlay = state.directory / "overlay"
        if overlay.exists():
            client.run("delete", "-k", overlay, *wait, log=step.log, timeout=300)
        client.run("delete", "namespace", NAMESPACE, *wait, log=step.log, timeout=200)
    shutil.rmtree(state.directory)
