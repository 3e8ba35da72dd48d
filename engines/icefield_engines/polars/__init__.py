"""The sandbox in which one Polars workload runs: a supervisor (PID 1 of its pod) and the worker that has Polars."""
