"""Scripts: Python that assigns a frame to `result`."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import polars as pl

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import Workload

from .errors import SCRIPT_NAME, WorkloadError
from .tables import Tables


@dataclass(frozen=True)
class Ran:
    """A script that has run: the frame that it assigned to `result`, and its variables."""

    frame: pl.LazyFrame
    scope: dict[str, object]


def run(workload: Workload, tables: Tables) -> Ran:
    """Run a script.

    Raises:
        WorkloadError: SCRIPT; there is no result, or it is no frame.
        BaseException: whatever the script raises.
    """
    module = types.ModuleType("__main__")
    scope = module.__dict__
    scope.update(pl=pl, scan=tables.scan, params=workload.params, catalog=workload.catalog_name)
    sys.modules["__main__"] = module  # so that what the script defines can be imported by its __module__
    sys.argv = [SCRIPT_NAME]
    code = compile(workload.text, SCRIPT_NAME, "exec", dont_inherit=True)
    try:
        exec(code, scope)  # noqa: S102 - this is what the sandbox is for
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    return Ran(frame_of(scope), scope)


def frame_of(scope: dict[str, object]) -> pl.LazyFrame:
    """Return the frame that a script assigned to `result`.

    Raises:
        WorkloadError: SCRIPT; there is nothing, or it is no frame.
    """
    if "result" not in scope:
        raise WorkloadError(
            FailureKind.SCRIPT, "the script did not assign `result`; assign a Polars LazyFrame or DataFrame to it"
        )
    result = scope["result"]
    if isinstance(result, (pl.DataFrame, pl.LazyFrame)):
        return result.lazy()
    raise WorkloadError(
        FailureKind.SCRIPT,
        f"`result` must be a Polars LazyFrame or DataFrame, and the script assigned {_article(result)} to it",
    )


def _article(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__[:100]
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
