"""The pods of tasks: a shell command in an image of the user's choice, with the run's own token and files beside it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from icefield_operator.cluster import Cluster
from icefield_operator.run_token import RunTokenSigner
from icefield_operator.world import Manifest

from . import build
from .maker import Maker, Start
from .resolve import Facts


class PodSettings(NamedTuple):
    """What every pod gets."""

    images: build.Images
    api_url: str


class CommandMaker(Maker):
    """Makes the pods of runs with a command or tasks."""

    def __init__(self, cluster: Cluster, pod_settings: PodSettings, signer: RunTokenSigner) -> None:
        """Make pods in this cluster."""
        self._cluster = cluster
        self._pod_settings = pod_settings
        self._signer = signer

    def furniture(self, facts: Facts, now: datetime) -> list[Manifest]:
        """Return the run's token and its files."""
        run, workspace, execution = facts.run, facts.workspace, facts.execution
        if workspace is None or execution is None:
            return []
        slug = workspace.metadata.name
        token = build.token_secret(run, slug, self._signer.sign(run, slug, now))
        files = build.files_config_map(run, slug, execution)
        return [token, files] if files else [token]

    async def start(self, start: Start) -> Manifest:
        """Create the pod of an attempt."""
        slug, settings = start.workspace.metadata.name, self._pod_settings
        around = build.Surroundings(start.facts.run, start.execution, slug, settings.api_url, settings.images)
        flavor = start.facts.flavors[start.task.flavor or ""]
        pod = build.pod(around, start.task, start.attempt, flavor, start.deadline_seconds)
        return await self._cluster.create_or_adopt(pod)
