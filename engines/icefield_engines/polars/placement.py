"""Which compute a workload asks for."""

from __future__ import annotations

from icefield_crds.wire.workload import Workload

from .compute import Compute, LocalCompute


def compute_for(workload: Workload) -> Compute:
    """Return what computes a workload; Polars Cloud's client is imported only when it is asked for."""
    if workload.distributed:
        from .cloud import CloudCompute

        return CloudCompute(workload)
    return LocalCompute()
