"""One workload from its text to its outcome: plan or run it, then write its destination, its result, or both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from icefield_crds.wire.workload import Workload

from . import destination, placement, query, results, script
from .compute import LocalCompute
from .errors import note_line
from .script_lines import line_of_failure
from .tables import Tables

PREVIEW_ROWS = 10_000
"""Rows of the result of a workload with a destination."""


def run(workload: Workload) -> dict[str, Any]:
    """Run a workload; return row_count, saved and result of its outcome.

    Raises:
        BaseException: why it failed.
    """
    tables = Tables(workload)
    if workload.mode != "script":
        return _computed(workload, query.run(workload, tables), tables)
    ran = script.run(workload, tables)
    try:
        return _computed(workload, ran.frame, tables)
    except PolarsError as error:
        note_line(error, line_of_failure(workload.text, ran.scope, error))
        raise


def _computed(workload: Workload, frame: pl.LazyFrame, tables: Tables) -> dict[str, Any]:
    engine = placement.compute_for(workload)
    if workload.destination is None:
        return _kept(workload, *_store(workload, engine.batches(frame)))
    written = destination.write(workload, frame, tables, engine)
    outcome: dict[str, Any] = {"row_count": written.rows, "saved": {"rows_written": written.rows}}
    if not workload.distributed:
        preview = LocalCompute().batches(written.frame.head(PREVIEW_ROWS))
        outcome["result"] = _kept(workload, *_store(workload, preview))["result"]
    return outcome


def _store(workload: Workload, frames: Iterable[pl.DataFrame]) -> tuple[int, int]:
    store = workload.access.object_store
    return results.store(frames, results.file_system(store), f"{store.bucket}/{workload.result_key}")


def _kept(workload: Workload, rows: int, size: int) -> dict[str, Any]:
    return {"row_count": rows, "saved": None, "result": {"key": workload.result_key, "bytes": size}}
