"""An environment with dbt and its adapter as users install them, made once from requirements/dbt.txt and cached."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from icefield_cluster.paths import CHECKOUT, cache_dir, locked

LOCK = CHECKOUT / "requirements" / "dbt.txt"
UV = CHECKOUT / ".bootstrap" / "bin" / "uv"
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
SETTINGS = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1"}
# dbt asks every adapter for a module with its version, and dbt-polnor 0.1.0 was published without one.
PROGRAM = """
import sys, types
from importlib.metadata import version
module = types.ModuleType("dbt.adapters.polnor.__version__")
module.version = version("dbt-polnor")
sys.modules[module.__name__] = module
from dbt.cli.main import cli
cli()
"""


def ensure() -> Path:
    """Return the folder of an environment that holds exactly what the lock says, making it first if need be."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = cache_dir() / "dbt" / digest
    complete = folder / "complete"
    with locked(folder.with_suffix(".lock")):
        if not complete.exists():
            _uv("venv", "--quiet", "--clear", "--python", str(PYTHON), str(folder))
            python = str(folder / "bin" / "python")
            _uv("pip", "sync", "--quiet", "--python", python, "--require-hashes", str(LOCK))
            complete.touch()
    return folder


def prepare(project: Path, environment: Path) -> None:
    """Let a project find the adapter's macros: the adapter looks for them relative to where dbt runs."""
    [macros] = environment.glob("lib/python*/site-packages/dbt/include/polnor")
    (project / "dbt" / "include").mkdir(parents=True)
    (project / "dbt" / "include" / "polnor").symlink_to(macros)


def _uv(*arguments: str) -> None:
    subprocess.run([UV, *arguments], check=True, timeout=600, env={**os.environ, **SETTINGS})
