"""The engines that run people's SQL and programs, in the versions that our images have (pyproject.toml pins them)."""

from __future__ import annotations

DUCKDB_VERSION = "1.5.5"
POLARS_VERSION = "2.1.0"
SPARK_VERSION = "4.0.5"

VERSIONS = {"duckdb": DUCKDB_VERSION, "polars": POLARS_VERSION, "spark": SPARK_VERSION}
