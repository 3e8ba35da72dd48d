"""Results: an Arrow IPC stream in the object store that any reader of Arrow understands, without Polars' own types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain

import polars as pl
import pyarrow as pa
from pyarrow.fs import FileSystem, S3FileSystem

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import ObjectStoreAccess

from .errors import WorkloadError

MAX_BYTES = 1024**3
MAX_BATCH_BYTES = 8 * 1024**2
DTYPE = b"polars.dtype"
"""Metadata of a field: Polars' own name of its type."""
_MAX_DTYPE = 1024
"""An Enum's name lists all it may be."""
_AS_TEXT = (pl.Categorical, pl.Enum, pl.Int128, pl.UInt128)


def file_system(store: ObjectStoreAccess) -> FileSystem:
    """Return the workspace's bucket as PyArrow sees it."""
    scheme, _, host = store.endpoint.rpartition("://")
    return S3FileSystem(
        access_key=store.access_key_id,
        secret_key=store.secret_access_key,
        region=store.region,
        endpoint_override=host,
        scheme=scheme or "https",
        connect_timeout=5,
        request_timeout=60,
        allow_delayed_open=True,  # what is small is written by one call
        default_metadata={"Content-Type": "application/vnd.apache.arrow.stream"},
    )


def store(frames: Iterable[pl.DataFrame], files: FileSystem, path: str) -> tuple[int, int]:
    """Write a result; return its rows and bytes. Nothing is left of one that fails.

    Args:
        frames: its rows in order, at least one frame, each small enough to be a batch.
        files: the object store.
        path: bucket and key.

    Raises:
        WorkloadError: QUERY; it is too large, or has a column of Python objects. INTERNAL; it could not be stored.
        BaseException: whatever computing the frames raises.
    """
    waiting = iter(frames)
    first = next(waiting)
    schema, casts = stored_schema(first.schema)
    with _storing():
        stream = files.open_output_stream(path)
    try:
        rows = _write(stream, schema, (_cast(frame, casts) for frame in chain((first,), waiting)))
        with _storing():
            size = int(stream.tell())
            stream.close()
    except BaseException:
        with suppress(OSError):
            stream.close()
            files.delete_file(path)
        raise
    return rows, size


def stored_schema(schema: pl.Schema) -> tuple[pa.Schema, dict[str, pl.DataType]]:
    """Return the Arrow schema in which a frame is stored, and the casts to it.

    Raises:
        WorkloadError: QUERY; a column holds Python objects.
    """
    casts: dict[str, pl.DataType] = {}
    for name, dtype in schema.items():
        target = _stored_type(dtype, name)
        if target != dtype:
            casts[name] = target
    empty = pl.DataFrame(schema={**schema, **casts})
    fields = [
        field.with_metadata({DTYPE: str(schema[field.name])[:_MAX_DTYPE].encode()})
        for field in empty.to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    ]
    return pa.schema(fields), casts


def _stored_type(dtype: pl.DataType, name: str) -> pl.DataType:
    if dtype == pl.Object:
        raise WorkloadError(
            FailureKind.QUERY,
            f"column '{name}' of the result holds Python objects; make values of a Polars type of them",
        )
    if dtype in _AS_TEXT:
        return pl.String()
    if dtype == pl.Float16:
        return pl.Float32()
    if isinstance(dtype, pl.List):
        return pl.List(_stored_type(_instance(dtype.inner), name))
    if isinstance(dtype, pl.Array):
        return pl.Array(_stored_type(_instance(dtype.inner), name), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _stored_type(_instance(field.dtype), name) for field in dtype.fields})
    return dtype


def _instance(dtype: object) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype  # type: ignore[return-value]


def _cast(frame: pl.DataFrame, casts: dict[str, pl.DataType]) -> pl.DataFrame:
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in casts.items())


def _write(stream: pa.NativeFile, schema: pa.Schema, frames: Iterable[pl.DataFrame]) -> int:
    rows = 0
    writer = pa.ipc.new_stream(stream, schema)
    for frame in frames:
        table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
        with _storing():
            writer.write_table(table.combine_chunks(), max_chunksize=_batch_rows(table))
            _refuse_more_than(MAX_BYTES, stream.tell())
        rows += frame.height
    with _storing():
        writer.close()
    return rows


def _batch_rows(table: pa.Table) -> int:
    """Return how many rows make a batch of which a reader can hold several."""
    rows, size = int(table.num_rows), int(table.nbytes)
    return max(1, rows * MAX_BATCH_BYTES // max(size, 1))


@contextmanager
def _storing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkloadError(FailureKind.INTERNAL, f"the result could not be stored: {error}") from error


def _refuse_more_than(limit: int, size: int) -> None:
    if size > limit:
        raise WorkloadError(
            FailureKind.QUERY, "the result is larger than 1 GiB; write it to a table: give a destination"
        )
