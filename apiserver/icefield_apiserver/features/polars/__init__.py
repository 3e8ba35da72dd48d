"""Polars workloads: runs that execute a query or a script in a sandbox, and their results."""
