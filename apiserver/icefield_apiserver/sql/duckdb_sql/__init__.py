"""Reads as DuckDB runs them, answering as Spark would; what is not known to be the same is refused, and runs on Spark."""
