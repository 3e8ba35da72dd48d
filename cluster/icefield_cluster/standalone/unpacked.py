"""Unpacked images, kept in the cache: a new node links their files instead of unpacking the archives again.

To unpack all images costs a processor more than everything else that starts a cluster. What containerd has unpacked is
never written to again, as containers get a layer of their own, so nodes share these files; its databases are copied.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from icefield_cluster.commands import output
from icefield_cluster.paths import cache_dir, locked
from icefield_cluster.processes import spawn, stop, stop_pids, wait_until
from icefield_cluster.standalone.containerd import IMPORTS_AT_ONCE, ctr, import_image, is_ready

SNAPSHOTTER = "overlayfs"
LINKED = ("io.containerd.content.v1.content/blobs", f"io.containerd.snapshotter.v1.{SNAPSHOTTER}/snapshots")
COPIED = ("io.containerd.metadata.v1.bolt/meta.db", f"io.containerd.snapshotter.v1.{SNAPSHOTTER}/metadata.db")
CONFIG = """\
version = 2
root = "{root}"
state = "{state}"
imports = []
disabled_plugins = ["io.containerd.grpc.v1.cri"]

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
"""


def home() -> Path:
    """Folder of the unpacked images."""
    return cache_dir() / "unpacked"


def has(archives: Mapping[str, Path]) -> bool:
    """Return whether exactly these images are unpacked."""
    return _names(home() / "ready") == set(archives)


def fill(target: Path, archives: Mapping[str, Path], log: Path) -> None:
    """Make a root folder for containerd that has images unpacked.

    Args:
        target: the folder; it must not exist.
        archives: the images' archives by full name. Where some are still to be built, the folder has the images of
            before instead, as their layers are mostly the same; and where there are none, it is not made.
        log: file for the output of programs.

    Raises:
        ClusterError: an archive could not be imported, or the cache is in another file system than the folder.
    """
    with locked(home() / "lock"):
        if not has(archives) and all(archive.exists() for archive in archives.values()):
            _refresh(archives, log)
        if _names(home() / "ready"):
            link(home() / "ready", target)


def link(source: Path, target: Path) -> None:
    """Make a root folder for containerd of another one that no containerd uses; they share the files of images.

    Raises:
        CommandError: they are in different file systems.
    """
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in LINKED:
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        output(["cp", "--archive", "--link", source / name, partial / name], timeout=300)
    for name in COPIED:
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, partial / name)
    partial.rename(target)


def _refresh(archives: Mapping[str, Path], log: Path) -> None:
    ready, upcoming = home() / "ready", home() / "upcoming"
    _stop_abandoned(upcoming)
    shutil.rmtree(upcoming, ignore_errors=True)
    known = _names(ready)
    if known:
        link(ready, upcoming)
    with _running(upcoming, log) as socket, ThreadPoolExecutor(IMPORTS_AT_ONCE) as pool:
        missing = [archive for name, archive in archives.items() if name not in known]
        list(pool.map(lambda archive: import_image(socket, SNAPSHOTTER, archive, log), missing))
        for name in known - set(archives):
            output([*ctr(socket), "images", "remove", "--sync", name], timeout=300)
    (upcoming / "names.json").write_text(json.dumps(sorted(archives)), encoding="utf-8")
    shutil.rmtree(ready, ignore_errors=True)
    upcoming.rename(ready)


@contextmanager
def _running(root: Path, log: Path) -> Iterator[Path]:
    """Run containerd on a root folder, for images only; yield its socket."""
    with tempfile.TemporaryDirectory(prefix="icefield-") as folder:
        socket, config = Path(folder) / "containerd.sock", root / "config.toml"
        root.mkdir(parents=True, exist_ok=True)
        text = CONFIG.format(root=root, state=Path(folder) / "state", socket=socket)
        config.write_text(text, encoding="utf-8")
        process = spawn("containerd", ["containerd", "--config", config], log=log)
        try:
            wait_until("containerd", [process], lambda: is_ready(socket), timeout=60, log=log)
            yield socket
        finally:
            stop([process])


def _stop_abandoned(root: Path) -> None:
    """End the containerd of a command that was killed."""
    config = str(root / "config.toml")
    stop_pids(
        [process.pid for process in psutil.process_iter(["cmdline"]) if config in (process.info["cmdline"] or ())],
        grace=5,
    )


def _names(root: Path) -> set[str]:
    file = root / "names.json"
    return set(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else set()
