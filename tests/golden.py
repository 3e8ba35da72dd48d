"""Golden files: what was built once, read by a person, and must be built again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def assert_golden(path: Path, built: Any) -> None:
    """Hold what was built against a file.

    With UPDATE_GOLDEN=1 in the environment the file is rewritten; read the diff.
    """
    text = yaml.dump(built, Dumper=_Plain, sort_keys=False)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
