"""The pods of runs with a Spark application: a driver for each attempt, which creates its executors itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from icefield_crds import Reason, Run, Task
from icefield_crds.names import TASK_CONTAINER
from icefield_kube.client import Manifest
from icefield_operator import pod_status
from icefield_operator.cluster import Cluster
from icefield_operator.environment.build import Mounted
from icefield_operator.environment.environments import Environments
from icefield_operator.quantity import MIB
from icefield_operator.run import build as run_build
from icefield_operator.run.command_provisioner import PodSettings
from icefield_operator.run.environments import Unprepared, environment_of, prepare
from icefield_operator.run.pods import PodObserver
from icefield_operator.run.provisioner import AttemptStart, PodProvisioner
from icefield_operator.run.resolve import RunFacts
from icefield_operator.run.validate import RunProblem
from icefield_operator.run_token import RunTokenSigner

from . import build, resources
from .driver_rbac import DriverRbac, has_executors
from .executors import ExecutorReconciler

MAX_FILE_BYTES = 900 * 1024
"""The application lives in a ConfigMap, which Kubernetes limits to 1 MiB."""


class SparkProvisioner(PodProvisioner):
    """Provides the pods of runs with a Spark application."""

    def __init__(
        self,
        cluster: Cluster,
        pod_settings: PodSettings,
        signer: RunTokenSigner,
        rbac: DriverRbac,
        executors: ExecutorReconciler,
        environments: Environments,
    ) -> None:
        """Create pods in this cluster; the images' `runtime` is the image of warehouses."""
        self._cluster = cluster
        self._pod_settings = pod_settings
        self._signer = signer
        self._rbac = rbac
        self._executors = executors
        self._environments = environments

    async def validate(self, facts: RunFacts) -> RunProblem | None:
        """Return what is wrong with the application."""
        application = facts.run.spec.spark
        if application is None:
            return None
        if len(build.application_file(application).encode()) > MAX_FILE_BYTES:
            return _invalid(f"the application is larger than {MAX_FILE_BYTES // 1024} KiB")
        pods = {"driver": application.driver} | ({"executor": application.executor} if application.executors else {})
        for what, size in pods.items():
            if resources.memory_bytes(size) < resources.LEAST_BYTES:
                least = resources.LEAST_BYTES // MIB
                return _invalid(f"the {what} has {size.memory} of memory; Spark needs {least}Mi or more")
        return None

    def prerequisites(self, facts: RunFacts, now: datetime) -> list[Manifest]:
        """Return the run's token, the application, and the NetworkPolicy between driver and executors."""
        run, workspace = facts.run, facts.workspace
        context = self._context(facts)
        if workspace is None or context is None:
            return []
        slug = workspace.metadata.name
        place = run_build.TokenPlace.of_run(run)
        token = run_build.token_secret(run, slug, place.secret, {place.key: self._signer.sign(run, slug, now)})
        made = [token, build.config_map(context), build.network_policy(context)]
        return [manifest for manifest in made if manifest]

    async def prepare(self, facts: RunFacts, attempts: Sequence[tuple[Task, int]]) -> Unprepared:
        """Have the environment of an application with requirements built."""
        return await prepare(self._environments, facts, attempts, self._pod_settings.images.runtime)

    async def ensure_pod(self, start: AttemptStart) -> Manifest:
        """Create the driver of an attempt, after the RBAC for its executors."""
        facts = start.facts
        context = self._context(facts)
        assert context, "a Run with a Spark application"  # noqa: S101
        if has_executors(facts.run):
            await self._rbac.sync(facts.run.metadata.namespace or "")
        task = start.task.model_copy(update={"env": start.execution.env})
        return await self._cluster.create_or_adopt(build.pod(context, task, start.attempt, start.deadline_seconds))

    def observer(self, facts: RunFacts, run_pods: Sequence[Manifest]) -> PodObserver:
        """Return what reads attempts off drivers and their executors."""
        metadata = facts.run.metadata
        states = (pod_status.container_state(pod, TASK_CONTAINER) for pod in run_pods)
        is_running = any(state.get("running") for state in states)
        message = self._executors.waiting_message(metadata.namespace or "", metadata.name) if is_running else None
        return PodObserver(message, reads_termination_message=True, restarts_begun_work=False)

    def on_ended(self, run: Run) -> None:
        """Enqueue the clean-up of its executors."""
        self._executors.enqueue(run.metadata.namespace or "", run.metadata.name)

    def on_deleted(self, namespace: str, name: str) -> None:
        """Enqueue the clean-up of the drivers' RBAC."""
        self._executors.enqueue(namespace, name)

    def _context(self, facts: RunFacts) -> build.ApplicationContext | None:
        run, execution, workspace, settings = facts.run, facts.execution, facts.workspace, self._pod_settings
        if execution is None or workspace is None or run.spec.spark is None:
            return None
        name, uid = workspace.metadata.name, workspace.metadata.uid
        of_run = run_build.RunPodContext(
            run, execution, name, uid, settings.api_url, settings.images, facts.warehouse_id
        )
        wanted = environment_of(facts.tasks[0], name, settings.images.runtime)
        mounted = Mounted(wanted, self._environments.settings) if wanted else None
        return build.ApplicationContext(of_run, run.spec.spark, workspace.catalog_names, mounted)


def _invalid(message: str) -> RunProblem:
    return RunProblem(Reason.INVALID_SPEC, message, final=True)
