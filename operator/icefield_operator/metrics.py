"""The metrics that Prometheus scrapes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

QUEUE_DEPTH = Gauge("icefield_operator_queue_depth", "Keys waiting for a worker.")
RECONCILE_SECONDS = Histogram("icefield_operator_reconcile_seconds", "Duration of one reconcile.", ["kind"])
RECONCILE_ERRORS = Counter("icefield_operator_reconcile_errors_total", "Reconciles that failed.", ["kind", "error"])
LEADER = Gauge("icefield_operator_leader", "1 while this process leads, 0 while it stands by.")
WATCH_AGE = Gauge(
    "icefield_operator_watch_age_seconds", "Seconds since the watch of a kind proved to be alive.", ["kind"]
)
RUNS = Gauge("icefield_runs", "Runs by phase.", ["phase"])
RUN_START_SECONDS = Histogram(
    "icefield_run_start_seconds",
    "From the creation of a run until its first task's process started.",
    buckets=(0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600),
)
SANDBOXES = Gauge("icefield_sandboxes", "Sandboxes by state: warm, starting or claimed.", ["state"])
SANDBOX_STARTS = Counter("icefield_sandbox_starts_total", "Polars workloads by the sandbox they got.", ["sandbox"])
SANDBOX_CLAIM_CONFLICTS = Counter(
    "icefield_sandbox_claim_conflicts_total", "Claims of warm sandboxes that lost to another change."
)
WORKLOAD_PUSH_SECONDS = Histogram(
    "icefield_workload_push_seconds",
    "From the admission of a Polars workload until its sandbox had it.",
    ["sandbox"],
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60),
)
