"""Makes the pods of runs with a Spark application: a driver for each attempt, which makes its executors itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from icefield_crds import Reason, Run
from icefield_crds.names import TASK_CONTAINER
from icefield_operator import waiting
from icefield_operator.cluster import Cluster
from icefield_operator.run import build as run_build
from icefield_operator.run.command import PodSettings
from icefield_operator.run.maker import Maker, Start
from icefield_operator.run.pods import Told
from icefield_operator.run.resolve import Facts
from icefield_operator.run.validate import Problem
from icefield_operator.run_token import RunTokenSigner
from icefield_operator.warehouse.sizes import MIB
from icefield_operator.world import Manifest

from . import build, sizes
from .driver_rights import DriverRights, has_executors
from .executors import Executors

MAX_FILE_BYTES = 900 * 1024
"""The application lives in a ConfigMap, which Kubernetes limits to 1 MiB."""


class SparkMaker(Maker):
    """Makes the pods of runs with a Spark application."""

    def __init__(
        self,
        cluster: Cluster,
        pod_settings: PodSettings,
        signer: RunTokenSigner,
        rights: DriverRights,
        executors: Executors,
    ) -> None:
        """Make pods in this cluster; the images' `runtime` is the image of warehouses."""
        self._cluster = cluster
        self._pod_settings = pod_settings
        self._signer = signer
        self._rights = rights
        self._executors = executors

    async def first_problem(self, facts: Facts) -> Problem | None:
        """Return what is wrong with the application."""
        application = facts.run.spec.spark
        if application is None:
            return None
        if len(build.application_file(application).encode()) > MAX_FILE_BYTES:
            return _invalid(f"the application is larger than {MAX_FILE_BYTES // 1024} KiB")
        pods = {"driver": application.driver} | ({"executor": application.executor} if application.executors else {})
        for what, size in pods.items():
            if sizes.memory_bytes(size) < sizes.LEAST_BYTES:
                least = sizes.LEAST_BYTES // MIB
                return _invalid(f"the {what} has {size.memory} of memory; Spark needs {least}Mi or more")
        return None

    def furniture(self, facts: Facts, now: datetime) -> list[Manifest]:
        """Return the run's token, the application, and what lets driver and executors meet."""
        run, workspace = facts.run, facts.workspace
        around = self._around(facts)
        if workspace is None or around is None:
            return []
        slug = workspace.metadata.name
        token = run_build.token_secret(run, slug, self._signer.sign(run, slug, now))
        made = [token, build.config_map(around), build.network_policy(around)]
        return [manifest for manifest in made if manifest]

    async def start(self, start: Start) -> Manifest:
        """Create the driver of an attempt, after it may make executors."""
        facts = start.facts
        around = self._around(facts)
        assert around, "a Run with a Spark application"  # noqa: S101
        if has_executors(facts.run):
            await self._rights.settle(facts.run.metadata.namespace or "")
        task = start.task.model_copy(update={"env": start.execution.env})
        return await self._cluster.create_or_adopt(build.pod(around, task, start.attempt, start.deadline_seconds))

    def look(self, facts: Facts, run_pods: Sequence[Manifest]) -> Told | None:
        """Return what the executors wait for, while the driver runs."""
        metadata = facts.run.metadata
        waits = self._executors.wait_of(metadata.namespace or "", metadata.name)
        if waits is None:
            return None
        states = [waiting.container_status(pod, TASK_CONTAINER).get("state") or {} for pod in run_pods]
        begun = [state["running"].get("startedAt") for state in states if state.get("running")]
        return Told(begun=waiting.time_of(begun[-1]), waits=waits) if begun else None

    def note_end(self, run: Run) -> None:
        """Have what executors are left looked after."""
        self._executors.look_again(run.metadata.namespace or "", run.metadata.name)

    def note_gone(self, namespace: str, name: str) -> None:
        """Have the rights of drivers looked after."""
        self._executors.look_again(namespace, name)

    def _around(self, facts: Facts) -> build.Surroundings | None:
        run, execution, workspace, settings = facts.run, facts.execution, facts.workspace, self._pod_settings
        if execution is None or workspace is None or run.spec.spark is None:
            return None
        slug = workspace.metadata.name
        of_run = run_build.Surroundings(run, execution, slug, settings.api_url, settings.images)
        return build.Surroundings(of_run, run.spec.spark, workspace.catalog_names)


def _invalid(message: str) -> Problem:
    return Problem(Reason.INVALID_SPEC, message, final=True)
