"""Warehouses: one pod each, started and stopped by spec, wake and idle time."""
