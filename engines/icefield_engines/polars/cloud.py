"""Polars Cloud: a cluster there computes the frames of a workload, and writes them into the workspace's object store.

The cluster reads and writes the object store itself, with the keys that the plan carries. It never sees the catalog:
commits stay here. One workload has one cluster, which is stopped when its one query has ended, whichever way.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.exceptions import PolarsError
from polars.io.iceberg._sink import PlIcebergPathProviderConfig
from pyiceberg.io.pyarrow import PyArrowFileIO
from tenacity import Retrying, stop_after_attempt, wait_exponential

from .compute import FILE_BYTES, LocalCompute, ParquetTarget
from .errors import WorkloadError, told
from .outcome import Kind
from .tables import Tables, store_options
from .workload import Workload

if TYPE_CHECKING:
    import polars_cloud as pc
    from polars_cloud.query.ext import ExecuteRemote

SECRET = "icefield-polars-cloud"  # noqa: S105 - the name of a Secret
_TOKEN, _CLIENT_ID, _CLIENT_SECRET, _WORKSPACE = (
    f"POLARS_CLOUD_{name}" for name in ("ACCESS_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "WORKSPACE")
)
IDLE_MINUTES = 10
"""After which a cluster ends that nobody could stop; Polars Cloud takes no less."""
STOP_SECONDS = 10
"""How long before the workload's timeout its query is cancelled, so that the cluster does not go on without it."""
_ON_THE_CLUSTER = ("pyiceberg", "pyarrow")
"""What resolves a scan of an Iceberg table there."""

MakeContext = Callable[[Workload], "pc.ComputeContext | pc.ClientContext"]


def compute_context(workload: Workload, environment: Mapping[str, str] = os.environ) -> pc.ComputeContext:
    """Return the cluster that a workload asks for, not started yet.

    Raises:
        WorkloadError: CREDENTIALS; there are none, or Polars Cloud refuses them.
    """
    require_credentials(environment)
    import polars_cloud as pc

    try:
        pc.authenticate(
            client_id=environment.get(_CLIENT_ID) or None,
            client_secret=environment.get(_CLIENT_SECRET) or None,
            interactive=False,
        )
        return pc.ComputeContext(
            # Without one, the one that is the account's own choice.
            workspace=environment.get(_WORKSPACE) or None,
            instance_type=workload.instance_type,
            cluster_size=workload.cluster_size,
            requirements="\n".join(f"{name}=={version(name)}" for name in _ON_THE_CLUSTER).encode(),
            # Through Polars Cloud's own API: a sandbox reaches nothing but port 443.
            connection_mode="proxy",
            idle_timeout_mins=IDLE_MINUTES,
        )
    except (pc.polars_cloud.AuthLoadError, pc.exceptions.WorkspaceResolveError) as error:
        raise WorkloadError(
            Kind.CREDENTIALS,
            f"Polars Cloud refuses what Secret {SECRET} of the workspace holds: {_without_advice(error)}",
        ) from error


def require_credentials(environment: Mapping[str, str]) -> None:
    """Check that there is something to open Polars Cloud with.

    Raises:
        WorkloadError: CREDENTIALS; it says what to set.
    """
    if not (environment.get(_TOKEN) or (environment.get(_CLIENT_ID) and environment.get(_CLIENT_SECRET))):
        raise WorkloadError(
            Kind.CREDENTIALS,
            f"Polars Cloud needs credentials: set accessToken, or clientId and clientSecret, in Secret {SECRET}",
        )


class CloudCompute:
    """Computes frames on a cluster of Polars Cloud."""

    writes_field_ids = True

    def __init__(self, workload: Workload, make_context: MakeContext = compute_context) -> None:
        """Compute for a workload, on what `make_context` returns."""
        self._workload = workload
        self._make_context = make_context
        self._deadline = time.monotonic() + max(workload.timeout_seconds - STOP_SECONDS, 1)

    def batches(self, frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """Compute a frame into one file, which keeps the rows in order, and read it back."""
        io = PyArrowFileIO(Tables(self._workload).file_properties)
        folder = self._workload.result_key.rpartition("/")[0]
        path = f"s3://{self._workload.access.object_store.bucket}/{folder}/distributed.parquet"
        options = store_options(io)
        try:
            self._run(
                frame, lambda remote: remote.sink_parquet(path, storage_options=options, sink_to_single_file=True)
            )
            yield from LocalCompute().batches(pl.scan_parquet(path, storage_options=options))
        finally:
            with suppress(OSError):
                io.delete(path)

    def sink(self, frame: pl.LazyFrame, target: ParquetTarget) -> None:
        """Compute a frame into Parquet files, which several machines write at once."""
        files = pl.PartitionBy(
            target.prefix,
            # Names that no other machine gives, as Polars' own sink for Iceberg has them.
            file_path_provider=PlIcebergPathProviderConfig(),
            approximate_bytes_per_file=FILE_BYTES,
        )
        self._run(
            frame,
            lambda remote: remote.sink_parquet(
                files, arrow_schema=target.arrow_schema, storage_options=target.storage_options
            ),
        )

    def _run(self, frame: pl.LazyFrame, begin: Callable[[ExecuteRemote], Any]) -> None:
        with _told_as(Kind.INTERNAL, "Polars Cloud has no cluster for the workload"):
            context = self._make_context(self._workload)
        termination = _Termination()
        before = signal.signal(signal.SIGTERM, termination)
        try:
            with _told_as(Kind.INTERNAL, "Polars Cloud did not take the workload"):
                query = begin(frame.remote(context).distributed())
            self._wait(query, termination)
            with _told_as(Kind.QUERY, "the query failed on Polars Cloud"):
                query.await_result(silent=True)
        finally:
            # One that never started cannot be stopped, and one that does not answer ends when it has been idle.
            with suppress(Exception):
                context.stop()
            signal.signal(signal.SIGTERM, before)

    def _wait(self, query: pc.DirectQuery | pc.ProxyQuery, termination: _Termination) -> None:
        """Wait for a query's end; cancel it when it is too late for that, or when this process is told to end.

        Raises:
            WorkloadError: TIME; or QUERY, when somebody cancelled it there.
        """
        pause = 0.1
        try:
            while not (status := _asked(query.get_status)).is_done():
                termination.raise_for_it()
                if time.monotonic() > self._deadline:
                    limit = self._workload.timeout_seconds
                    raise WorkloadError(Kind.TIME, f"the workload took longer than its timeout of {limit} s")
                time.sleep(pause)
                pause = min(pause * 1.5, 2)
        except BaseException:
            with suppress(Exception):
                query.cancel()
            raise
        if status.name == "CANCELED":
            raise WorkloadError(Kind.QUERY, "the query was cancelled at Polars Cloud")


class _Termination:
    """Handles SIGTERM: the workload ends at once, wherever it is.

    It remembers the signal, because Python ignores what a handler raises while a finalizer runs.
    """

    def __init__(self) -> None:
        self._came = False

    def __call__(self, *_: object) -> None:
        self._came = True
        self.raise_for_it()

    def raise_for_it(self) -> None:
        """Raise SystemExit if the signal has come."""
        if self._came:
            raise SystemExit("the workload was cancelled")


def _asked(question: Callable[[], Any]) -> Any:
    """Ask again when Polars Cloud does not answer: a query goes on though a look at it failed."""
    retrying = Retrying(stop=stop_after_attempt(6), wait=wait_exponential(max=10), reraise=True)
    with _told_as(Kind.INTERNAL, "Polars Cloud does not answer any more"):
        return retrying(question)


@contextmanager
def _told_as(kind: str, sentence: str) -> Iterator[None]:
    """Say of all but the errors of a query itself what they mean here."""
    try:
        yield
    except (WorkloadError, PolarsError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and "invalid cloud plan" in str(error):
            raise WorkloadError(Kind.QUERY, f"Polars Cloud cannot run this: {error}") from error
        raise WorkloadError(kind, f"{sentence}: {_without_advice(error)}") from error


def _without_advice(error: Exception) -> str:
    """Return what the client says, without how to log in with a browser."""
    return told(error).partition(" Log in with ")[0]
