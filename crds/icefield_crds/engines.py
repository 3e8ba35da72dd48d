"""The engines that run SQL and programs, in the versions of our images (pyproject.toml pins them)."""

from __future__ import annotations

DUCKDB_VERSION = "1.5.5"
POLARS_VERSION = "2.1.0"
SPARK_VERSION = "4.0.5"

VERSIONS = {"duckdb": DUCKDB_VERSION, "polars": POLARS_VERSION, "spark": SPARK_VERSION}
