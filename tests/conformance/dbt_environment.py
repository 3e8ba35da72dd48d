"""An environment with dbt and its adapter as users install them, made once from requirements/dbt.txt and cached."""

from __future__ import annotations

from pathlib import Path

from tests import locked_environment

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
    return locked_environment.ensure("dbt")


def prepare(project: Path, environment: Path) -> None:
    """Let a project find the adapter's macros: the adapter looks for them relative to where dbt runs."""
    [macros] = environment.glob("lib/python*/site-packages/dbt/include/polnor")
    (project / "dbt" / "include").mkdir(parents=True)
    (project / "dbt" / "include" / "polnor").symlink_to(macros)
