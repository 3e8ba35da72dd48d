"""What the commands do, apart from their output on a terminal."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

from icefield_cluster import people, providers
from icefield_cluster.errors import ClusterError
from icefield_cluster.install.api import Api
from icefield_cluster.install.installer import WORKSPACE
from icefield_cluster.invocation import program
from icefield_cluster.parts import Part
from icefield_cluster.paths import locked
from icefield_cluster.progress import Steps
from icefield_cluster.providers import existing
from icefield_cluster.standalone import cluster as standalone_cluster
from icefield_cluster.state import ClusterState, load


def open_or_create(directory: Path, name: str, provider: str) -> ClusterState:
    """The cluster of a folder, or a new one there.

    Args:
        directory: the cluster's folder.
        name: its name.
        provider: a provider's name or `auto`; an existing cluster keeps its own.

    Raises:
        ClusterError: the folder has other files, or the cluster has another provider.
    """
    state = load(directory)
    if state:
        if provider not in ("auto", state.provider):
            fix = f"run `{program()} down --name {name}` first, or take another --name"
            raise ClusterError(f"the cluster {name} already exists, with provider {state.provider}", fix=fix)
        return state
    # A failed attempt leaves a lock and logs.
    if directory.exists() and any(path.name not in ("logs", "lock") for path in directory.iterdir()):
        raise ClusterError(f"{directory} has files that do not belong to a cluster", fix="choose another --state-dir")
    return ClusterState(directory, name, providers.choose(provider))


def busy(directory: Path) -> AbstractContextManager[None]:
    """Lock a cluster: one command works on it at a time."""
    return locked(directory / "lock")


def up(state: ClusterState, steps: Steps) -> None:
    """Create the cluster and install Icefield; raises ClusterError."""
    state.save()
    providers.BY_NAME[state.provider].up(state, steps)


def down(directory: Path, name: str, steps: Steps) -> bool:
    """Delete a cluster, also one whose state file is lost; return whether there was one.

    Raises:
        ClusterError: something could not be removed.
    """
    state = load(directory)
    if state is None:
        number = standalone_cluster.unfinished(directory, name)
        if number is None:
            return False
        state = ClusterState(directory, name, "standalone", number=number)
    providers.BY_NAME[state.provider].down(state, steps)
    return True


def require(directory: Path, name: str) -> ClusterState:
    """The cluster of a folder, which has to be up.

    Raises:
        ClusterError: there is none, or it is not up.
    """
    state = load(directory)
    if state is None or not state.api_url:
        raise ClusterError(f"no cluster {name} here", fix=f"run `{program()} up --name {name}`")
    return state


def no_cluster(directory: Path, name: str) -> ClusterError:
    """Return the error that a folder has no cluster, with the names of those beside it."""
    others = sorted(found.parent.name for found in directory.parent.glob("*/state.json"))
    fix = f"there are: {', '.join(others)}" if others else ""
    return ClusterError(f"no cluster {name} here", fix=fix)


def health(state: ClusterState) -> list[Part]:
    """The parts of a cluster."""
    parts = [
        Part.running(process.name, f"pid {process.pid}", process.alive)
        for process in sorted(state.processes.values(), key=lambda process: process.name)
    ]
    if state.api_url:
        ready = state.ca_bundle.exists() and Api(state.api_url, state.ca_bundle).is_ready()
        parts.append(Part.running("Icefield API", state.api_url, ready))
    return parts + providers.BY_NAME[state.provider].parts(state)


def environment(state: ClusterState) -> dict[str, str]:
    """Environment variables of the clients and of kubectl, with an API key of the workspace."""
    kubectl = providers.BY_NAME[state.provider].kubectl(state)
    return {
        "POLNOR_API_URL": state.api_url,
        "POLNOR_TOKEN": state.api_key.read_text(encoding="utf-8").strip(),
        "POLNOR_WORKSPACE_SLUG": WORKSPACE,
        "CURL_CA_BUNDLE": str(state.ca_bundle),
        "REQUESTS_CA_BUNDLE": str(state.ca_bundle),
        "SSL_CERT_FILE": str(state.ca_bundle),
        "ICEFIELD_TRUST_STORE": str(state.trust_store),
        "KUBECONFIG": str(state.kubeconfig),
        "PATH": f"{kubectl.program.parent}{os.pathsep}$PATH",
    }


def administrator_environment(state: ClusterState) -> dict[str, str]:
    """The same with a log-in token of the platform's administrator, valid for an hour; raises ClusterError."""
    return {**environment(state), "POLNOR_TOKEN": people.administrator_token(state)}


def confirmation(state: ClusterState) -> str:
    """The question to ask before an existing cluster is changed for the first time; empty for clusters of ours."""
    if state.provider != "existing" or state.context:
        return ""
    return f"Install Icefield into the existing cluster {existing.current_context()!r}?"
