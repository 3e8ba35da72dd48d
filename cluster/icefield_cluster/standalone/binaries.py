"""Builds the programs of a cluster from Go modules whose sums are committed, once per version and machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

from icefield_cluster.commands import run
from icefield_cluster.paths import cache_dir, locked
from icefield_cluster.standalone.toolchain import find_go
from icefield_cluster.standalone.versions import MODULES, Module

TEMPLATES = Path(__file__).parent / "go"
# The etcd command's package is called `server`; everybody calls the program `etcd`.
RENAMED = {"v3": "etcd", "server": "etcd"}


def program_names(module: Module) -> list[str]:
    """The file names of a module's programs."""
    return [RENAMED.get(name, name) for name in (package.rpartition("/")[2] for package in module.packages)]


def key_of(module: Module) -> str:
    """A cache key: version and a hash of everything the build depends on."""
    digest = hashlib.sha256()
    for part in ("go.mod", "go.sum"):
        digest.update((TEMPLATES / module.name / part).read_bytes())
    digest.update("\0".join((*module.packages, module.ldflags, platform.machine())).encode())
    return f"{module.name}-{module.version}-{digest.hexdigest()[:12]}"


def folder_of(module: Module) -> Path:
    """Where a module's programs are, or will be."""
    return cache_dir() / "bin" / key_of(module)


def is_built(module: Module) -> bool:
    """Whether the programs are in the cache; a folder gets its final name only when it is whole."""
    return folder_of(module).is_dir()


def ensure(module: Module, log: Path) -> Path:
    """Build a module's programs unless they are cached.

    Args:
        module: what to build.
        log: file for the compiler's output.

    Returns:
        the folder with the programs.

    Raises:
        ClusterError: no Go could be had, or the build failed.
    """
    folder = folder_of(module)
    if folder.is_dir():
        return folder
    with locked(cache_dir() / "bin" / f"{module.name}.lock"):
        if not folder.is_dir():
            _build(module, folder, log)
    return folder


def _build(module: Module, folder: Path, log: Path) -> None:
    go = find_go(log)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.parent.glob(f".build-{module.name}-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".build-{module.name}-") as scratch:
        source, target = Path(scratch, "source"), Path(scratch, "bin")
        shutil.copytree(TEMPLATES / module.name, source)
        target.mkdir()
        for package, name in zip(module.packages, program_names(module), strict=True):
            run(
                [go, "build", "-trimpath", "-ldflags", f"-s -w {module.ldflags}", "-o", target / name, package],
                cwd=source,
                env=_environment(go),
                log=log,
                timeout=3600,
                fix="let Go reach a module proxy (GOPROXY), then try again; what is built already is kept",
            )
        target.rename(folder)


def _environment(go: Path) -> dict[str, str]:
    # Without cgo the programs are static: they run in an image made from scratch, and no C compiler is needed here.
    return {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def find(name: str) -> Path:
    """The path of a program of the cluster.

    Raises:
        KeyError: no module has such a program.
    """
    for module in MODULES:
        if name in program_names(module):
            return folder_of(module) / name
    raise KeyError(name)
