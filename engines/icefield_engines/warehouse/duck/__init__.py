"""DuckDB inside the gateway: reads."""
