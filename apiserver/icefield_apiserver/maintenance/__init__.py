"""Keeping tables quick and small: Iceberg's procedures on a warehouse, called by a run."""
