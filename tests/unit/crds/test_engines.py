"""The versions that answers name are those that the images install."""

from __future__ import annotations

import re
import tomllib

from tests.controlplane import REPOSITORY

from icefield_crds.engines import VERSIONS


def test_versions_are_those_that_are_pinned() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = {
        match["name"]: match["version"]
        for extra in extras.values()
        for requirement in extra
        if (match := re.fullmatch(r"(?P<name>[a-z]+)(\[.*\])?==(?P<version>[0-9.]+)", requirement))
    }
    assert {"duckdb": pins["duckdb"], "polars": pins["polars"], "spark": pins["pyspark"]} == VERSIONS
