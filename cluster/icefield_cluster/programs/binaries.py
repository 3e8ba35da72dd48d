"""Builds the programs of a cluster from Go modules with committed checksums, once per version and machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

from icefield_cluster.commands import run
from icefield_cluster.paths import cache_dir, locked

from .toolchain import find_go
from .versions import KWOK, MODULES, Module

TEMPLATES = Path(__file__).parent / "go"
# The linker strips debugging information, so the compiler does not make it: that takes a sixth of its time.
FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")
FIX = "let Go reach a module proxy (GOPROXY), then try again; what is built already is kept"


def key_of(module: Module) -> str:
    """A cache key: version and a hash of everything the build depends on."""
    digest = hashlib.sha256()
    for path in sorted((TEMPLATES / module.name).iterdir()):
        digest.update(path.read_bytes())
    parts = (module.package, *module.programs, module.ldflags, platform.machine())
    digest.update("\0".join(parts).encode())
    return f"{module.name}-{module.version}-{digest.hexdigest()[:12]}"


def folder_of(module: Module) -> Path:
    """Folder of a module's programs, built or not."""
    return cache_dir() / "bin" / key_of(module)


def is_built(module: Module) -> bool:
    """Whether the programs are in the cache; a folder gets its final name only when it is complete."""
    return folder_of(module).is_dir()


def ensure(module: Module, log: Path) -> Path:
    """Build a module's programs unless they are cached.

    Args:
        module: what to build.
        log: file for the compiler's output.

    Returns:
        the folder with the programs.

    Raises:
        ClusterError: no Go could be installed, or the build failed.
    """
    folder = folder_of(module)
    if folder.is_dir():
        return folder
    with locked(cache_dir() / "bin" / f"{module.name}.lock"):
        if not folder.is_dir():
            _build(module, folder, log)
    return folder


def download(module: Module, log: Path) -> None:
    """Download a module's sources into Go's module cache, unless its programs are built.

    Args:
        module: what will be built.
        log: file for Go's output.

    Raises:
        ClusterError: no Go could be installed, or a download failed.
    """
    if not is_built(module):
        go = find_go(log)
        run(
            [go, "mod", "download"],
            cwd=TEMPLATES / module.name,
            env=_environment(go),
            log=log,
            timeout=1800,
            fix=FIX,
        )


def _build(module: Module, folder: Path, log: Path) -> None:
    go = find_go(log)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.parent.glob(f".build-{module.name}-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".build-{module.name}-") as scratch:
        source, target = Path(scratch, "source"), Path(scratch, "bin")
        shutil.copytree(TEMPLATES / module.name, source)
        target.mkdir()
        first, *others = (target / program for program in module.programs)
        run(
            [go, "build", *FLAGS, "-ldflags", f"-s -w {module.ldflags}", "-o", first, module.package],
            cwd=source,
            env=_environment(go),
            log=log,
            timeout=3600,
            fix=FIX,
        )
        # Unlike a symbolic link, a hard link shows its own name in /proc/<pid>/exe.
        for program in others:
            program.hardlink_to(first)
        target.rename(folder)


def _environment(go: Path) -> dict[str, str]:
    # Without cgo the programs are static: they run in an image made from scratch, and no C compiler is needed here.
    return {
        "CGO_ENABLED": "0",
        # The compilers are short-lived: collecting garbage takes a sixth of their time, and saves little memory.
        "GOGC": "400",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def find(name: str) -> Path:
    """The path of a program.

    Raises:
        KeyError: no module has such a program.
    """
    for module in (*MODULES, KWOK):
        if name in module.programs:
            return folder_of(module) / name
    raise KeyError(name)
