"""Spark SQL as DuckDB answers it the same way; what is not known to be the same is not translated and runs on Spark."""
