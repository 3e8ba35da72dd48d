"""The cgroup that all of a cluster's pods live under, for cgroup v1 and v2."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from icefield_cluster.errors import ClusterError
from icefield_cluster.processes import stop_pids

ROOT = Path("/sys/fs/cgroup")
# Without one of these the kubelet would start pods all the same, and silently not limit them.
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
    """Make the cgroup in every hierarchy, usable as the kubelet's cgroupRoot.

    Raises:
        ClusterError: the kernel refused, or lacks a controller that limits pods.
    """
    lacking = [controller for controller in NEEDED if controller not in _available()]
    if lacking:
        raise ClusterError(f"the kernel's cgroup controllers {', '.join(lacking)} are not available")
    try:
        for hierarchy in hierarchies():
            (hierarchy / name).mkdir(exist_ok=True)
            if is_v2():
                _delegate_v2(hierarchy, name)
            elif hierarchy.name.startswith("cpuset") or (hierarchy / "cpuset.cpus").exists():
                _copy_cpuset(hierarchy, hierarchy / name)
    except OSError as error:
        fix = "run as root on the machine itself, or in a container with a writable /sys/fs/cgroup of its own"
        raise ClusterError(f"the cgroup {name} could not be made: {error}", fix=fix) from error


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
    # Unlike Path.rglob, os.walk does not mind that runc removes folders meanwhile. The deepest come first.
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]


def kill_members(name: str) -> None:
    """Kill every process in the cgroup; nobody else's can be there, because we made it."""
    deadline = time.monotonic() + 15
    while (pids := members(name)) and time.monotonic() < deadline:
        stop_pids(pids, grace=0)


def remove(name: str) -> list[Path]:
    """Remove the cgroup with everything below it, and return what would not go."""
    left = []
    for hierarchy in hierarchies():
        left += [folder for folder in _below(hierarchy / name) if not _remove(folder)]
    return left


def _remove(folder: Path) -> bool:
    for _ in range(50):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            # The kernel takes a moment to forget processes that just ended.
            time.sleep(0.05)
        else:
            return True
    return False
