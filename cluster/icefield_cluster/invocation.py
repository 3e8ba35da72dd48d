"""How the user of this shell runs the `icefield` command, and what of its environment a command leaves invalid."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path


def program() -> str:
    """Return the command as it can be typed here: `icefield` where that is on the PATH, otherwise its path."""
    started = Path(sys.argv[0])
    if started.name != "icefield":
        return "icefield"
    found = shutil.which("icefield")
    if found and Path(found).resolve() == started.resolve():
        return "icefield"
    relative = os.path.relpath(started)
    return str(started) if relative.startswith("..") else relative


def variables_below(directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables whose value is a path below a folder."""
    return sorted(name for name, value in environment.items() if value.startswith(f"{directory}{os.sep}"))
