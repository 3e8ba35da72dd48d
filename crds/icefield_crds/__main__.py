"""Render the CustomResourceDefinitions: `python -m icefield_crds [DIRECTORY]`, by default beside this package."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from .crd import KINDS, crd_of
from .names import GROUP

HEADER = "# Rendered by `python -m icefield_crds`; edit crds/icefield_crds instead.\n"


def rendered() -> dict[str, str]:
    """Return the YAML of every CustomResourceDefinition by file name."""
    return {
        f"{GROUP}_{kind.PLURAL}.yaml": HEADER + yaml.safe_dump(crd_of(kind), sort_keys=False, width=120)
        for kind in KINDS
    }


def main() -> None:
    """Write the rendered files into the directory given, or beside this package."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    for name, text in rendered().items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    main()
