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
from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_exponential

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import Workload

from .compute import FILE_BYTES, LocalCompute, ParquetTarget
from .errors import WorkloadError, describe
from .tables import Tables, store_options

if TYPE_CHECKING:
    import polars_cloud as pc
    from polars_cloud.query.ext import ExecuteRemote

SECRET = "icefield-polars-cloud"  # noqa: S105 - the name of a Secret
_TOKEN, _CLIENT_ID, _CLIENT_SECRET, _WORKSPACE = (
    f"POLARS_CLOUD_{name}" for name in ("ACCESS_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "WORKSPACE")
)
IDLE_MINUTES = 10
"""After which a cluster ends that could not be stopped; the minimum of Polars Cloud."""
STOP_SECONDS = 10
"""How long before the workload's timeout its query is cancelled, so that the cluster does not keep running."""
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
            # The account's default workspace when absent.
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
            FailureKind.CREDENTIALS,
            f"Polars Cloud refuses what Secret {SECRET} of the workspace holds: {_without_advice(error)}",
        ) from error


def require_credentials(environment: Mapping[str, str]) -> None:
    """Check that there is something to open Polars Cloud with.

    Raises:
        WorkloadError: CREDENTIALS; the message names what to set.
    """
    if not (environment.get(_TOKEN) or (environment.get(_CLIENT_ID) and environment.get(_CLIENT_SECRET))):
        raise WorkloadError(
            FailureKind.CREDENTIALS,
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

    def _run(self, frame: pl.LazyFrame, start: Callable[[ExecuteRemote], Any]) -> None:
        with _failing_as(FailureKind.INTERNAL, "Polars Cloud has no cluster for the workload"):
            context = self._make_context(self._workload)
        termination = _Termination()
        before = signal.signal(signal.SIGTERM, termination)
        try:
            with _failing_as(FailureKind.INTERNAL, "Polars Cloud did not accept the workload"):
                query = start(frame.remote(context).distributed())
            self._wait(query, termination)
            with _failing_as(FailureKind.QUERY, "the query failed on Polars Cloud"):
                query.await_result(silent=True)
        finally:
            # A cluster that never started cannot be stopped; one that does not answer ends when it has been idle.
            with suppress(Exception):
                context.stop()
            signal.signal(signal.SIGTERM, before)

    def _wait(self, query: pc.DirectQuery | pc.ProxyQuery, termination: _Termination) -> None:
        """Wait for a query's end; cancel it after the deadline, or on SIGTERM.

        Raises:
            WorkloadError: TIME; or QUERY, when it was cancelled at Polars Cloud.
        """
        polling = Retrying(
            retry=retry_if_result(lambda status: not status.is_done()),
            stop=lambda _: time.monotonic() > self._deadline,
            wait=wait_exponential(multiplier=0.1, exp_base=1.5, max=2),
            before_sleep=lambda _: termination.raise_if_received(),
        )
        try:
            status = polling(_retry, query.get_status)
        except BaseException as error:
            with suppress(Exception):
                query.cancel()
            if isinstance(error, RetryError):
                limit = self._workload.timeout_seconds
                raise WorkloadError(
                    FailureKind.TIME, f"the workload took longer than its timeout of {limit} s"
                ) from None
            raise
        if status.name == "CANCELED":
            raise WorkloadError(FailureKind.QUERY, "the query was cancelled at Polars Cloud")


class _Termination:
    """Handles SIGTERM: the workload ends at once, wherever it is.

    It remembers the signal, because Python ignores what a handler raises while a finalizer runs.
    """

    def __init__(self) -> None:
        self._received = False

    def __call__(self, *_: object) -> None:
        self._received = True
        self.raise_if_received()

    def raise_if_received(self) -> None:
        """Raise SystemExit if the signal was received."""
        if self._received:
            raise SystemExit("the workload was cancelled")


def _retry(question: Callable[[], Any]) -> Any:
    """Call again when Polars Cloud does not answer: the query keeps running though one call about it failed."""
    retrying = Retrying(stop=stop_after_attempt(6), wait=wait_exponential(max=10), reraise=True)
    with _failing_as(FailureKind.INTERNAL, "Polars Cloud does not answer any more"):
        return retrying(question)


@contextmanager
def _failing_as(kind: str, sentence: str) -> Iterator[None]:
    """Raise all errors but those of the query itself as a WorkloadError of this kind."""
    try:
        yield
    except (WorkloadError, PolarsError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and "invalid cloud plan" in str(error):
            raise WorkloadError(FailureKind.QUERY, f"Polars Cloud cannot run this: {error}") from error
        raise WorkloadError(kind, f"{sentence}: {_without_advice(error)}") from error


def _without_advice(error: Exception) -> str:
    """Return the client's message, without how to log in with a browser."""
    return describe(error).partition(" Log in with ")[0]
