"""Reads as DuckDB runs them, answering as Spark would; what is not known to be the same runs on Spark."""
