"""Maintenance of tables: Iceberg's procedures, called on a warehouse by a run."""
