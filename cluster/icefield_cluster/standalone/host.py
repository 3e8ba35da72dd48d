"""Host settings that all clusters of a machine share: recorded before the first one, restored after the last one."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from icefield_cluster.commands import CommandError, output
from icefield_cluster.paths import locked

HOME = Path("/run/icefield")
RECORD = HOME / "host.json"
LOCK = Path("/run/lock/icefield.lock")

# Each cluster watches some 40 files and followed logs; Linux allows 128 for all of a user's processes together.
RAISED = {"fs/inotify/max_user_instances": 8192, "fs/inotify/max_user_watches": 1_048_576}
# The kubelet sets the first six for the whole machine; masquerading needs the next.
SYSCTLS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
    *RAISED,
)
# Folders that Kubernetes, containerd or the CNI plugins create at fixed paths.
FOLDERS = (
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/run/containerd/s",
    "/run/containerd/fifo",
    "/run/containerd",
    "/opt/containerd",
    "/run/netns",
)


def enter(cluster_id: str) -> None:
    """Record the host's settings unless another cluster did, register this one, and enable forwarding."""
    with locked(LOCK):
        HOME.mkdir(mode=0o711, exist_ok=True)
        if not RECORD.exists():
            record = {
                "sysctls": {name: _sysctl(name).read_text().strip() for name in SYSCTLS if _sysctl(name).exists()},
                "absent": [folder for folder in FOLDERS if not Path(folder).exists()],
            }
            RECORD.write_text(json.dumps(record, indent=2), encoding="utf-8")
        (HOME / cluster_id).mkdir(mode=0o700, exist_ok=True)
        _sysctl("net/ipv4/ip_forward").write_text("1", encoding="utf-8")
        for name, least in RAISED.items():
            if int(_sysctl(name).read_text()) < least:
                _sysctl(name).write_text(str(least), encoding="utf-8")


def leave() -> None:
    """Restore the host's settings when no cluster is registered any more."""
    with locked(LOCK):
        if not RECORD.exists() or any(path.is_dir() for path in HOME.iterdir()):
            return
        record = json.loads(RECORD.read_text(encoding="utf-8"))
        for name, value in record["sysctls"].items():
            if _sysctl(name).read_text().strip() != value:
                _sysctl(name).write_text(value, encoding="utf-8")
        for folder in record["absent"]:
            _remove_empty(Path(folder))
        RECORD.unlink()
        HOME.rmdir()
    LOCK.unlink(missing_ok=True)


def _sysctl(name: str) -> Path:
    return Path("/proc/sys") / name


def _remove_empty(folder: Path) -> None:
    if folder.name == "netns" and folder.is_dir() and not any(folder.iterdir()):
        # `ip netns add` mounts the folder onto itself.
        with contextlib.suppress(CommandError):
            output(["umount", folder], timeout=10)
    # The kubelet leaves the socket of its device plugin registration behind.
    for socket in folder.glob("kubelet.sock"):
        socket.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
