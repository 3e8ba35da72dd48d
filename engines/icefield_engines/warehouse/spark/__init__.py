"""Spark beside the gateway, over Spark Connect: writes, and reads that DuckDB cannot do."""
