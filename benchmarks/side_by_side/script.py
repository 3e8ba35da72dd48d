"""A script that starts the tasks of a level as objects of Kubernetes, watches them, and starts the next level."""

from __future__ import annotations

import asyncio
import secrets
import time
from abc import abstractmethod

from icefield_kube.client import Manifest

from .cluster import PATIENCE_SECONDS, Cluster
from .contender import Contender
from .shapes import COMMAND, Shape

LABEL = "icefield-benchmark"


class Script(Contender):
    """A contender that is such a script.

    Args:
        cluster: where it creates the objects.
    """

    path: str
    """Of the collection."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._batch = ""

    @abstractmethod
    def manifest(self, name: str, labels: dict[str, str]) -> Manifest:
        """Return an object that runs one task; its pod carries the labels, too."""

    @abstractmethod
    def has_succeeded(self, found: Manifest) -> bool:
        """Return whether an object's task has succeeded.

        Raises:
            RuntimeError: it failed.
        """

    async def run(self, shape: Shape) -> float:
        """Return the seconds from the first `create` to the event of the last success."""
        self._batch = f"bench-{secrets.token_hex(4)}"
        started = time.monotonic()
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            self._cluster.watch(self.path, f"{LABEL}={self._batch}") as events,
        ):
            for level, width in enumerate(shape.levels):
                names = {f"{self._batch}-{level}-{number}" for number in range(width)}
                await asyncio.gather(*(self._create(name) for name in names))
                async for found in events:
                    if self.has_succeeded(found):
                        names.discard(found["metadata"]["name"])
                    if not names:
                        break
                assert not names, "the watch ended early"
        return time.monotonic() - started

    async def clear(self) -> None:
        """Delete the objects of the last run."""
        await self._cluster.clear((self.path,), f"{LABEL}={self._batch}")

    def pod_spec(self) -> Manifest:
        """Return the spec of a task's pod, which runs the command as Icefield's pod would."""
        spec = self._cluster.pod_spec()
        shell = spec["containers"][0]["command"]
        shell[-1] = shell[-1].replace("sleep 86400", COMMAND)
        return spec

    async def _create(self, name: str) -> None:
        await self._cluster.kubernetes.call("POST", self.path, body=self.manifest(name, {LABEL: self._batch}))
