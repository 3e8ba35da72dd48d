"""The parent cgroup of a cluster's pods, for cgroup v1 and v2."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from icefield_cluster.errors import ClusterError
from icefield_cluster.processes import stop_pids

ROOT = Path("/sys/fs/cgroup")
# Without one of these the kubelet starts pods without the limit.
NEEDED = ("cpu", "cpuset", "memory", "pids")


def is_v2() -> bool:
    """Whether this machine has the unified hierarchy only."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """The root of every hierarchy: one with v2; one for each mounted controller with v1."""
    if is_v2():
        return [ROOT]
    return [path for path in sorted(ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]


def create(name: str) -> None:
    """Create the cgroup in every hierarchy, usable as the kubelet's cgroupRoot.

    Raises:
        ClusterError: the kernel refused, or lacks a controller that limits pods.
    """
    missing = [controller for controller in NEEDED if controller not in _available()]
    if missing:
        raise ClusterError(f"the kernel's cgroup controllers {', '.join(missing)} are not available")
    try:
        for hierarchy in hierarchies():
            (hierarchy / name).mkdir(exist_ok=True)
            if is_v2():
                _delegate_v2(hierarchy, name)
            elif hierarchy.name.startswith("cpuset") or (hierarchy / "cpuset.cpus").exists():
                _copy_cpuset(hierarchy, hierarchy / name)
    except OSError as error:
        fix = "run as root on the machine itself, or in a container with a writable /sys/fs/cgroup of its own"
        raise ClusterError(f"the cgroup {name} could not be created: {error}", fix=fix) from error


def _available() -> list[str]:
    if is_v2():
        return (ROOT / "cgroup.controllers").read_text(encoding="utf-8").split()
    # Controllers that share a hierarchy, as in cpu,cpuacct, have a link each.
    return [path.name for path in ROOT.iterdir() if path.is_dir()]


def _delegate_v2(root: Path, name: str) -> None:
    wanted = " ".join(f"+{controller}" for controller in _available() if controller in (*NEEDED, "hugetlb", "io"))
    for folder in (root, root / name):
        (folder / "cgroup.subtree_control").write_text(wanted, encoding="utf-8")


def _copy_cpuset(parent: Path, child: Path) -> None:
    # A v1 cpuset starts empty, and a process may not enter an empty one.
    for file in ("cpuset.cpus", "cpuset.mems"):
        (child / file).write_text((parent / file).read_text(encoding="utf-8"), encoding="utf-8")


def members(name: str) -> set[int]:
    """Every process in the cgroup or below it."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for folder in _below(hierarchy / name):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in (folder / "cgroup.procs").read_text(encoding="utf-8").split())
    return found


def _below(top: Path) -> list[Path]:
    # Unlike Path.rglob, os.walk tolerates that runc removes folders meanwhile. The deepest come first.
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]


def kill_members(name: str) -> None:
    """Kill every process in the cgroup, retrying for up to 15 seconds."""

    def kill() -> set[int]:
        found = members(name)
        stop_pids(found, grace=0)
        return found

    with contextlib.suppress(RetryError):
        Retrying(retry=retry_if_result(bool), stop=stop_after_delay(15))(kill)


def remove(name: str) -> list[Path]:
    """Remove the cgroup with everything below it, and return the folders that could not be removed."""
    return [folder for hierarchy in hierarchies() for folder in _below(hierarchy / name) if not _remove(folder)]


def _remove(folder: Path) -> bool:
    # The kernel takes a moment to forget processes that just ended.
    attempts = Retrying(retry=retry_if_exception_type(OSError), wait=wait_fixed(0.05), stop=stop_after_attempt(50))
    try:
        attempts(_remove_if_there, folder)
    except RetryError:
        return False
    return True


def _remove_if_there(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()
