"""Appends the rows of DuckDB's queries to Iceberg tables (docs/design/2026-12-01-small-writes-without-spark.md)."""
