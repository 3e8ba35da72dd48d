"""The state of a cluster, in one JSON file that is replaced atomically after every change."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from icefield_cluster.errors import ClusterError
from icefield_cluster.processes import Process

PROVIDERS = ("existing", "kind", "standalone")


@dataclass
class ClusterState:
    """State of a cluster.

    Args:
        directory: the folder of everything that belongs to it.
        name: given by the user.
        provider: `existing`, `kind` or `standalone`.
        number: the N of its addresses 10.200.N.0/30; None until one is assigned.
        context: the kubeconfig context (existing) that is used.
        api_url: URL of Icefield's API as seen from here; empty until it is ready.
        object_store_url: URL of the object store as seen from here; empty where the cluster has none.
        processes: its programs, by name.
        images: image name -> tag on its node.
    """

    directory: Path
    name: str
    provider: str
    number: int | None = None
    context: str = ""
    api_url: str = ""
    object_store_url: str = ""
    processes: dict[str, Process] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    @property
    def file(self) -> Path:
        """The JSON file."""
        return self.directory / "state.json"

    @property
    def logs(self) -> Path:
        """Folder of the logs of steps and programs."""
        return self.directory / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def ca_file(self) -> Path:
        """The CA that signed the API server's certificate."""
        return self.directory / "ca.crt"

    @property
    def ca_bundle(self) -> Path:
        """The system's CAs and ours, in one file."""
        return self.directory / "ca-bundle.crt"

    @property
    def trust_store(self) -> Path:
        """The same as a trust store of Java: PKCS 12, without a password."""
        return self.directory / "trust-store.p12"

    @property
    def admin_password(self) -> Path:
        """The first administrator's password (0600)."""
        return self.directory / "admin-password"

    @property
    def api_key(self) -> Path:
        """The administrator's API key (0600)."""
        return self.directory / "api-key"

    def save(self) -> None:
        """Write the file; safe to call from several threads."""
        with self._lock:
            self.directory.mkdir(parents=True, exist_ok=True)
            content = {key: value for key, value in vars(self).items() if key not in ("directory", "_lock")}
            content["processes"] = {name: asdict(process) for name, process in list(self.processes.items())}
            partial = self.file.with_suffix(".partial")
            partial.write_text(json.dumps(content, indent=2), encoding="utf-8")
            partial.rename(self.file)


def default_directory(name: str) -> Path:
    """`.icefield/<name>` of the working directory."""
    return Path.cwd() / ".icefield" / name


def check_name(name: str) -> str:
    """Return a name that can be part of a host name.

    Raises:
        ClusterError: it cannot.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise ClusterError(
            f"{name!r} cannot be the name of a cluster: use up to 32 lower-case letters, digits and dashes"
        )
    return name


def load(directory: Path) -> ClusterState | None:
    """The cluster in a folder; None when there is none.

    Raises:
        ClusterError: the file cannot be read.
    """
    file = directory / "state.json"
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        processes = content.pop("processes")
        state = ClusterState(directory=directory, **content)
        state.processes = {name: _process(fields) for name, fields in processes.items()}
    except (ValueError, TypeError, KeyError) as error:
        raise ClusterError(f"{file} is not a state file: {error}", fix=f"remove {directory}") from error
    return state


def _process(fields: dict[str, object]) -> Process:
    argv = fields["argv"]
    if not isinstance(argv, list):
        raise TypeError("argv is not a list")
    return Process(
        name=str(fields["name"]),
        pid=int(str(fields["pid"])),
        start_ticks=int(str(fields["start_ticks"])),
        argv=tuple(str(word) for word in argv),
        fingerprint=str(fields["fingerprint"]),
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.rename(path)
