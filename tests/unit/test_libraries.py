"""The libraries that people's code finds are the same wherever it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
PAGE = REQUIREMENTS.parent / "docs" / "libraries.md"
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==([^\s;]+)", re.MULTILINE)


def _pins(file: str) -> dict[str, str]:
    return dict(PIN.findall((REQUIREMENTS / file).read_text()))


@pytest.mark.parametrize("image", ["runtime", "polars", "warehouse", "polars-cloud"])
def test_an_image_where_people_run_code_has_the_libraries(image: str) -> None:
    wanted, found = _pins("libraries.in"), _pins(f"{image}.txt")
    assert {"boto3", "duckdb", "pandas", "polars", "polnor", "pyarrow", "pyiceberg"} == wanted.keys()
    others = {"polars"} if image == "polars-cloud" else set()
    assert {name: found.get(name) for name in wanted.keys() - others} == {
        name: version for name, version in wanted.items() if name not in others
    }


def test_the_page_names_the_versions_that_are_there() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ([0-9.]+)", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == _pins("libraries.in")


def test_the_example_of_an_image_uses_what_the_image_of_tasks_has() -> None:
    (example,) = re.findall(r"```dockerfile\n(.*?)```", PAGE.read_text(), re.DOTALL)
    image = (REQUIREMENTS.parent / "images" / "runtime" / "Dockerfile").read_text()
    assert "python3 -m venv --without-pip /opt/icefield\n" in image
    assert "/opt/icefield/bin/python -m pip install" in example
    assert "pip" in _pins("runtime.txt")
    assert example.strip().splitlines()[-1] == next(line for line in image.splitlines() if line.startswith("USER"))
