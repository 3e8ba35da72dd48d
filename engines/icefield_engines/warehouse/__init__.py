"""The gateway of a warehouse's pod: runs SQL statements on DuckDB and Spark, and leaves results in the object store."""
