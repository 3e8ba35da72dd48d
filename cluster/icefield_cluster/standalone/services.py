"""Starts the programs of a standalone cluster exactly once, also after interrupted attempts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from icefield_cluster.commands import Argument
from icefield_cluster.processes import Process, fingerprint, pids_in_network, spawn, stop, stop_pids
from icefield_cluster.standalone import logs
from icefield_cluster.standalone.node import NodeLayout
from icefield_cluster.state import ClusterState


def ensure(
    state: ClusterState, node: NodeLayout, name: str, argv: Sequence[Argument], *, configuration: str = ""
) -> Process:
    """Start a program unless it runs with the same command line and configuration.

    Args:
        state: records the process.
        node: its network.
        name: its name, and that of its log.
        argv: its command line, with the prefix that enters the network.
        configuration: text of its configuration file.

    Raises:
        ClusterError: it could not be started.
    """
    known = state.processes.get(name)
    if known and known.alive and known.fingerprint == fingerprint(argv, configuration):
        return known
    if known:
        stop([known])
    # An attempt that was killed between start and record has left an unrecorded process.
    stop_pids(strays(node, Path(argv[len(node.enter)]).name), grace=10)
    log = state.logs / f"{name}.log"
    logs.begin(log)
    process = spawn(name, argv, log=log, configuration=configuration, reader=logs.reader(log))
    state.processes[name] = process
    state.save()
    return process


def strays(node: NodeLayout, program: str) -> list[int]:
    """Processes in the cluster's network that run a program of this name and belong to no pod.

    Pods have network namespaces of their own, so these processes were started by us.
    """
    found = []
    for pid in pids_in_network(node.network.path):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            continue
        if Path(words[0]).name == program:
            found.append(pid)
    return found
