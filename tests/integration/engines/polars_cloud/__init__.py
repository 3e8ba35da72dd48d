"""Distributed workloads with the client of Polars Cloud, in an environment of its own."""
