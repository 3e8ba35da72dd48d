"""A test's own hands in the cluster, which a control plane that stalls for a moment does not fail."""

from __future__ import annotations

from typing import Any

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from icefield_kube.client import Manifest
from icefield_kube.errors import Unreachable
from icefield_operator.cluster import Cluster


class PatientCluster(Cluster):
    """A Cluster that asks again when no answer came, as the operator's queue does for it.

    Several control planes share a machine while tests run. A POST is not repeated: it may have been carried out.
    """

    async def _request(self, method: str, path: str, **how: Any) -> Manifest:
        if method == "POST":
            return await super()._request(method, path, **how)
        return await self._repeatable(method, path, **how)

    @retry(
        retry=retry_if_exception_type(Unreachable),
        stop=stop_after_attempt(4),
        wait=wait_exponential(multiplier=0.5, max=5),
        reraise=True,
    )
    async def _repeatable(self, method: str, path: str, **how: Any) -> Manifest:
        return await super()._request(method, path, **how)
