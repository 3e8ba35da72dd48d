"""The pods of tasks: a shell command in an image of the user's choice, with the run's own token and files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from icefield_crds import Run, Task, names
from icefield_kube.client import Manifest
from icefield_operator.cluster import Cluster
from icefield_operator.environment.build import Mounted
from icefield_operator.environment.environments import Environments
from icefield_operator.run_token import RunTokenSigner

from . import build, environments
from .environments import Unprepared
from .provisioner import AttemptStart, PodProvisioner
from .resolve import RunFacts


class PodSettings(NamedTuple):
    """What every pod is built with."""

    images: build.TaskImages
    api_url: str


class CommandProvisioner(PodProvisioner):
    """Provides the pods of runs with a command or tasks."""

    def __init__(
        self, cluster: Cluster, pod_settings: PodSettings, signer: RunTokenSigner, built: Environments
    ) -> None:
        """Create pods in this cluster, with environments that are built."""
        self._cluster = cluster
        self._environments = built
        self._pod_settings = pod_settings
        self._signer = signer

    def prerequisites(self, facts: RunFacts, now: datetime) -> list[Manifest]:
        """Return the token of each task, and the run's files."""
        run, workspace, execution = facts.run, facts.workspace, facts.execution
        if workspace is None or execution is None:
            return []
        slug = workspace.metadata.name
        places = {task.key: build.TokenPlace.of_attempt(run, task.key, 0) for task in facts.tasks}
        tokens = {place.key: self._token(run, key, 0, slug, now) for key, place in places.items()}
        secret = build.token_secret(run, slug, names.run_token_secret(run.metadata.name), tokens)
        files = build.files_config_map(run, slug, execution)
        return [secret, files] if files else [secret]

    async def prepare(self, facts: RunFacts, attempts: Sequence[tuple[Task, int]]) -> Unprepared:
        """Have the environments of tasks with requirements built."""
        return await environments.prepare(self._environments, facts, attempts, self._pod_settings.images.runtime)

    async def ensure_pod(self, start: AttemptStart) -> Manifest:
        """Create the pod of an attempt, after its token where it is not the first."""
        if start.attempt:
            await self._cluster.create_or_adopt(self._secret_of(start))
        workspace, settings = start.workspace.metadata, self._pod_settings
        context = build.RunPodContext(
            start.facts.run,
            start.execution,
            workspace.name,
            workspace.uid,
            settings.api_url,
            settings.images,
            start.facts.warehouse_id,
        )
        flavor = start.facts.flavors[start.task.flavor or ""]
        pod = build.pod(context, start.task, start.attempt, flavor, start.deadline_seconds)
        wanted = environments.environment_of(start.task, workspace.name, start.task.image or settings.images.runtime)
        if wanted:
            limit = flavor.spec.ephemeral_storage
            pod = {**pod, "spec": Mounted(wanted, self._environments.settings).into(pod["spec"], limit)}
        return await self._cluster.create_or_adopt(pod)

    def _secret_of(self, start: AttemptStart) -> Manifest:
        run, key, slug = start.facts.run, start.task.key, start.workspace.metadata.name
        place = build.TokenPlace.of_attempt(run, key, start.attempt)
        token = self._token(run, key, start.attempt, slug, start.now)
        return build.token_secret(run, slug, place.secret, {place.key: token})

    def _token(self, run: Run, task: str, attempt: int, slug: str, now: datetime) -> str:
        return self._signer.sign_for_attempt(run, task, attempt, slug, now)
