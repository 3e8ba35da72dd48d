"""kind: Kubernetes in a Docker container."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import yaml

from icefield_cluster import images
from icefield_cluster.commands import Argument, output, run
from icefield_cluster.errors import ClusterError
from icefield_cluster.images import REGISTRY
from icefield_cluster.install.installer import API_NODE_PORT, OBJECT_STORE_NODE_PORT, Installer, Target
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.parts import Part
from icefield_cluster.paths import CHECKOUT
from icefield_cluster.progress import Steps
from icefield_cluster.providers import docker
from icefield_cluster.state import ClusterState

PREFIX = "icefield-"


def why_not() -> str:
    """Why kind cannot be used here; empty when it can."""
    if not docker.runs():
        return "kind needs a running Docker"
    lacking = [program for program in ("kind", "kubectl") if shutil.which(program) is None]
    return f"kind needs {' and '.join(lacking)} on PATH" if lacking else ""


def cluster_name(state: ClusterState) -> str:
    """The cluster's name in kind."""
    return f"{PREFIX}{state.name}"


def kubectl(state: ClusterState) -> Kubectl:
    """The kubectl on PATH with the cluster's own kubeconfig."""
    return Kubectl(Path(shutil.which("kubectl") or "kubectl"), state.kubeconfig)


def enter(_: ClusterState) -> tuple[str, ...]:
    """Empty: programs of this machine cannot join the cluster's network."""
    return ()


def up(state: ClusterState, steps: Steps) -> None:
    """Create the cluster unless it exists, load our images, and install Icefield; raises ClusterError."""
    with steps.step("kind cluster") as step:
        present = output(["kind", "get", "clusters"], timeout=60).split()
        if cluster_name(state) not in present:
            _create(state, step.log)
        run(
            ["kind", "export", "kubeconfig", "--name", cluster_name(state), "--kubeconfig", state.kubeconfig],
            log=step.log,
            timeout=60,
        )
    catalogue = images.load()
    with steps.step("Build images") as step:
        tags = docker.build_all(catalogue, REGISTRY, state.logs, step.note)
    with steps.step("Load images") as step:
        for name, tag in tags.items():
            if state.images.get(name) != tag:
                step.note(name)
                argv = ["kind", "load", "docker-image", "--name", cluster_name(state)]
                run([*argv, catalogue[name].reference(tag)], log=step.log, timeout=600)
                state.images[name] = tag
                state.save()
    api_port, store_port = _ports(state)
    target = Target(kubectl(state), "127.0.0.1", "kind", api_port=api_port, object_store_port=store_port)
    Installer(state, steps, target).install(tags)


def parts(_: ClusterState) -> list[Part]:
    """Nothing: what it has besides its nodes is not ours."""
    return []


def down(state: ClusterState, steps: Steps) -> None:
    """Delete the cluster and its state; raises ClusterError."""
    with steps.step("Delete the kind cluster") as step:
        if shutil.which("kind") is None:
            raise ClusterError("kind is no longer on PATH", fix="put it there, or delete its container with docker")
        run(["kind", "delete", "cluster", "--name", cluster_name(state)], log=step.log, timeout=300)
    shutil.rmtree(state.directory)


def _create(state: ClusterState, log: Path) -> None:
    config = yaml.safe_load((CHECKOUT / "kind-config.yaml").read_text(encoding="utf-8"))
    for mapping in config["nodes"][0]["extraPortMappings"]:
        mapping["hostPort"] = _free_port()
    state.images = {}
    state.save()
    file = state.directory / "kind-config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    # With a file of its own the user's kubeconfig, and so the current context, does not change.
    argv: list[Argument] = [
        "kind",
        "create",
        "cluster",
        "--name",
        cluster_name(state),
        "--config",
        file,
        "--wait",
        "180s",
    ]
    run([*argv, "--kubeconfig", state.kubeconfig], log=log, timeout=900, fix="look at `docker ps` and the log")


def _ports(state: ClusterState) -> tuple[int, int]:
    config = yaml.safe_load((state.directory / "kind-config.yaml").read_text(encoding="utf-8"))
    ports = {entry["containerPort"]: entry["hostPort"] for entry in config["nodes"][0]["extraPortMappings"]}
    return ports[API_NODE_PORT], ports[OBJECT_STORE_NODE_PORT]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
