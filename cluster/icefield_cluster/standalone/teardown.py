"""Stops and removes everything of one cluster, found by its network and its cgroup."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from icefield_cluster.commands import CommandError, output
from icefield_cluster.processes import pids_in_network, stop_pids
from icefield_cluster.standalone import cgroups, logs, network, services
from icefield_cluster.standalone.node import NodeLayout


def stop_everything(node: NodeLayout) -> None:
    """End the cluster's programs and its pods' processes; data is kept.

    The kubelet first, because it restarts containers; then the pods, then everything else in the network.
    """
    stop_pids(services.strays(node, "kubelet"), grace=5)
    cgroups.kill_members(node.cgroup)
    sockets = _shim_sockets(node)
    stop_pids(services.strays(node, "containerd"), grace=5)
    stop_pids(pids_in_network(node.network.path), grace=0)
    logs.stop_readers(node.control_plane.logs)
    for socket in sockets:
        socket.unlink(missing_ok=True)
    _unmount(node.containerd_state, node.kubelet_root, node.root)


def remove_everything(node: NodeLayout) -> list[Path]:
    """Remove network, mounts, cgroup and folders of a stopped cluster, and return what could not be removed."""
    network.remove(node.network)
    _unmount(node.run, node.kubelet_root, node.root)
    left = cgroups.remove(node.cgroup)
    _remove_links(node)
    for folder in (node.kubelet_root, node.run, node.root):
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            left.append(folder)
    for parent in (node.kubelet_root.parent, node.root.parent):
        if parent.name in ("icefield", ".icefield"):
            with contextlib.suppress(OSError):
                parent.rmdir()
    return left


def _shim_sockets(node: NodeLayout) -> list[Path]:
    # The sockets of containerd's shims are in a folder that all containerds share; each shim records its own.
    tasks = node.containerd_state / "io.containerd.runtime.v2.task"
    found = []
    for file in tasks.glob("*/*/address"):
        with contextlib.suppress(OSError):
            found.append(Path(file.read_text(encoding="utf-8").strip().removeprefix("unix://")))
    return found


def _unmount(*folders: Path) -> None:
    prefixes = tuple(f"{folder}/" for folder in folders)
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    targets = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    for target in reversed([target for target in targets if target.startswith(prefixes)]):
        with contextlib.suppress(CommandError):
            output(["umount", "--lazy", target], timeout=30)


def _remove_links(node: NodeLayout) -> None:
    # The kubelet keeps a link to every container's log, and the CNI library a file per pod, at fixed paths.
    for link in Path("/var/log/containers").glob("*.log"):
        with contextlib.suppress(FileNotFoundError):  # another cluster's kubelet removes its own meanwhile
            if link.is_symlink() and str(link.readlink()).startswith(f"{node.pod_logs}/"):
                link.unlink(missing_ok=True)
    results = Path("/var/lib/cni/results")
    for result in results.glob(f"{node.cni_network}-*-eth0"):
        container = result.name.removeprefix(f"{node.cni_network}-").removesuffix("-eth0")
        (results / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
        result.unlink(missing_ok=True)
