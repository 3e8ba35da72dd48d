"""The libraries that people's code finds are the same wherever it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
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
