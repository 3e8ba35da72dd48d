"""The README says of each module of the published client whether it is served, and it is true."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module, metadata

import polnor
import pytest
from oleander_sdk import Oleander
from tests.api.test_roles import calls

from icefield_cluster.paths import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
PATH = re.compile(r"""f?["'](/[a-z][a-z/-]+)""")
WITHOUT_PATHS = frozenset({"dbapi", "pandas_ops"})
"""Modules that speak through `sql`."""


def modules_of(column: int) -> set[str]:
    """Return the names in a column of the client's row."""
    [row] = (line for line in README.splitlines() if line.startswith("| `polnor` "))
    return set(re.findall(r"`([a-z_]+)`", row.split("|")[column]))


SERVED, NOT_YET = modules_of(2), modules_of(3)


def first_segments(module: str) -> set[str]:
    """Return the first segments of the paths that a module of the client asks for."""
    source = inspect.getsource(import_module(f"polnor.{module}"))
    return {path.split("/")[1] for path in PATH.findall(source)}


@pytest.fixture(scope="module")
def segments() -> set[str]:
    """The first segments of the paths below /api/v1 that the API server has."""
    paths = [call.shown.split(" ")[1] for call in calls()]
    return {path.split("/")[1] for path in paths if not path.startswith("/api/")}


def test_each_module_of_the_client_is_listed_once() -> None:
    published = {module.name for module in pkgutil.iter_modules(polnor.__path__) if not module.name.startswith("_")}
    assert published == SERVED | NOT_YET
    assert set() == SERVED & NOT_YET


def test_the_versions_are_those_that_the_tests_use() -> None:
    for package in ("polnor", "polnor-sqlalchemy", "oleanderhq-sdk"):
        assert f"| `{package}` {metadata.version(package)} |" in README


@pytest.mark.parametrize("module", sorted(SERVED - WITHOUT_PATHS))
def test_paths_of_served_modules_are_there(module: str, segments: set[str]) -> None:
    assert first_segments(module)
    assert first_segments(module) <= segments


@pytest.mark.parametrize("module", sorted(NOT_YET))
def test_paths_of_other_modules_are_not(module: str, segments: set[str]) -> None:
    assert first_segments(module)
    assert not (first_segments(module) <= segments)


def test_every_call_of_the_other_client_is_tried() -> None:
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (CHECKOUT / "tests" / "conformance").glob("test_oleander_*.py")
    )
    calls = {name for name, _ in inspect.getmembers(Oleander, inspect.isfunction) if not name.startswith("_")}
    assert {call for call in calls if f".{call}(" not in tests} == set()
