"""Reads for DuckDB, in Spark's SQL or in DuckDB's own."""
