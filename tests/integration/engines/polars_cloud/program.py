"""Runs a workload with the real client of Polars Cloud; only the cluster is missing, and a process takes its place.

Run by the environment of requirements/polars-cloud.txt. It reads what to do as JSON, and prints what came of it. The
client plans, checks and packs the query as it does for the service; the plan is computed by a process that knows
nothing else: neither the environment nor the catalog.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import polars_cloud as pc
import polars_cloud.polars_cloud as pcr

from icefield_crds.wire.workload import Workload
from icefield_engines.polars import placement
from icefield_engines.polars.cloud import CloudCompute
from icefield_engines.polars.errors import describe, kind_of
from icefield_engines.polars.run import run

CLUSTER = """
import io, json, sys
import polars as pl
try:
    pl.LazyFrame.deserialize(io.BytesIO(sys.stdin.buffer.read())).collect(engine="streaming")
except Exception as error:
    sys.exit(json.dumps({"scheduler": "ComputeError: a worker failed", "worker-1": f"{type(error).__name__}: {error}"}))
"""
FOREVER = "import time; time.sleep(3600)"


class Scheduler:
    """Takes plans as the cluster's scheduler does."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._was_looked_at = False
        self.was_cancelled = False

    def do_query(self, plan: bytes, settings: object, **_: object) -> UUID:
        """Start to compute a plan."""
        command = [sys.executable, "-c", self._program]
        with tempfile.TemporaryFile() as source:
            source.write(plan)
            source.seek(0)
            self._process = subprocess.Popen(command, stdin=source, stderr=subprocess.PIPE, env={"HOME": "/none"})
        print("started", flush=True)
        return uuid4()

    def get_direct_query_status(self, query_id: UUID) -> Any:
        """Return the state of the query."""
        assert self._process
        if not self._was_looked_at:
            print("awaited", flush=True)
            self._was_looked_at = True
        codes = pcr.QueryStatusCodeModel
        if self.was_cancelled:
            return codes.Canceled
        exit_code = self._process.poll()
        return codes.InProgress if exit_code is None else codes.Failed if exit_code else codes.Success

    def get_direct_query_result(self, query_id: UUID, timeout_ms: int) -> Any:
        """Return the result."""
        assert self._process and self._process.stderr
        errors = [self._process.stderr.read().decode().splitlines()[-1]] if self._process.returncode else []
        return SimpleNamespace(status=self.get_direct_query_status(query_id), errors=errors)

    def cancel_direct_query(self, query_id: UUID) -> None:
        """End it."""
        self.was_cancelled = True
        self.end()

    def end(self) -> None:
        """End what computes, if anything does."""
        if self._process:
            self._process.kill()
            self._process.wait()


class Cluster(pc.ClusterContext):
    """A cluster that is one process of this machine."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._connection_mode = pcr.DBClusterModeModel.Direct
        self._compute_id = uuid4()
        self._direct_client = scheduler
        self._scheduler = scheduler
        self.was_stopped = False

    def stop(self) -> None:
        """Note that it was stopped, as one at the service is; with it ends what it computes."""
        self.was_stopped = True
        self._scheduler.end()


def main() -> None:
    """Run the job on standard input."""
    job = json.load(sys.stdin)
    scheduler = Scheduler(FOREVER if job["forever"] else CLUSTER)
    cluster = Cluster(scheduler)
    if job["cluster"]:
        placement.compute_for = lambda load: CloudCompute(load, lambda _: cluster)
    printed: dict[str, Any] = {}
    try:
        printed |= run(Workload.from_json(job["workload"]))
    except BaseException as error:
        printed |= {"error": describe(error), "kind": kind_of(error, "query")}
    print(json.dumps(printed | {"cancelled": scheduler.was_cancelled, "stopped": cluster.was_stopped}))


if __name__ == "__main__":
    main()
