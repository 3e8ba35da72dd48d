"""Environments beside our own, made once from a lock in requirements/ and cached: for what our own would not stand."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from icefield_cluster.paths import CHECKOUT, cache_dir, locked

UV = CHECKOUT / ".bootstrap" / "bin" / "uv"
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
SETTINGS = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1"}


def ensure(name: str) -> Path:
    """Return the folder of an environment of what requirements/<name>.txt says and no more, making it if need be."""
    lock = CHECKOUT / "requirements" / f"{name}.txt"
    folder = cache_dir() / name / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    complete = folder / "complete"
    with locked(folder.with_suffix(".lock")):
        if not complete.exists():
            _uv("venv", "--quiet", "--clear", "--python", str(PYTHON), str(folder))
            python = str(folder / "bin" / "python")
            _uv("pip", "sync", "--quiet", "--python", python, "--require-hashes", str(lock))
            complete.touch()
    return folder


def _uv(*arguments: str) -> None:
    subprocess.run([UV, *arguments], check=True, timeout=600, env={**os.environ, **SETTINGS})
