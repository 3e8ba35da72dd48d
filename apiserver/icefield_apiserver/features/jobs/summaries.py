"""Jobs as lists show them."""

from __future__ import annotations

from datetime import UTC, datetime

from cachetools import LRUCache

from icefield_crds import Job, Run

from .next_run import next_run_at
from .schemas import JobSummary, last_run_of, summary_of

KEPT = 2048
"""Of the jobs that were listed last; to build a page of 50 costs 1.1 ms, more than the rest of its response."""


class JobSummaries:
    """Makes what a list shows of one version of a job once, except what changes without the job."""

    def __init__(self) -> None:
        self._made: LRUCache[tuple[str, str], JobSummary] = LRUCache(KEPT)

    def of(self, job: Job, last_run: Run | None) -> JobSummary:
        """Return a job with its newest run, as lists show it."""
        version = job.metadata.uid, job.metadata.resource_version or ""
        made = self._made.get(version)
        if made is None:
            made = self._made[version] = summary_of(job)
        fresh = {"next_run_at": next_run_at(job, datetime.now(UTC)), "last_run": last_run and last_run_of(last_run)}
        return made.model_copy(update=fresh)
