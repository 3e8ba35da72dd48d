"""Reconciles Warehouses: one pod each, started and stopped as its owner, its statements and its idleness ask for."""
