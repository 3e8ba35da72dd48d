"""The pods of runs with a Polars workload: a sandbox of the pool, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from icefield_crds import PolarsWorkload, Reason, Run, Task, Workspace, names, object_store
from icefield_crds.polars import DEFAULT_VCPUS, polars_cloud_problem
from icefield_kube.client import Manifest
from icefield_kube.errors import Forbidden
from icefield_operator.cluster import Cluster
from icefield_operator.environment.environments import Environments
from icefield_operator.metrics import SANDBOX_STARTS
from icefield_operator.run.environments import Unprepared, environment_of, prepare
from icefield_operator.run.pods import attempt_of
from icefield_operator.run.provisioner import AttemptStart, PodProvisioner
from icefield_operator.run.resolve import RunFacts
from icefield_operator.run.validate import RunProblem
from icefield_operator.secrets import read_secret

from . import pool_plan
from .build import TEMPLATE_ANNOTATION, SandboxBuilder
from .claims import Claims
from .dispatcher import Assignment, WorkloadDispatcher, accepts_workload
from .observe import SandboxObserver, WorkloadReport, outcome_of_pod, report_of
from .pool_plan import Demand, SandboxState
from .pool_reconcile import SandboxPoolReconciler


class _SandboxRequest(NamedTuple):
    """How a run got its sandbox."""

    sandbox: str
    since: float


class SandboxProvisioner(PodProvisioner):
    """Provides the pods of runs with a Polars workload."""

    def __init__(
        self,
        cluster: Cluster,
        builder: SandboxBuilder,
        claims: Claims,
        pools: SandboxPoolReconciler,
        dispatcher: WorkloadDispatcher,
        environments: Environments,
    ) -> None:
        """Initialize.

        Args:
            cluster: where pods are.
            builder: builds their manifests.
            claims: assigns those of the pools.
            pools: keeps them.
            dispatcher: sends workloads to them.
            environments: builds those of workloads with requirements.
        """
        self._cluster = cluster
        self._builder = builder
        self._claims = claims
        self._pools = pools
        self._dispatcher = dispatcher
        self._environments = environments
        self._requests: dict[tuple[str, str], _SandboxRequest] = {}
        self._started = datetime.now(UTC)
        self._dispatched: set[str] = set()
        """uids of the runs whose workload this process has dispatched."""

    async def validate(self, facts: RunFacts) -> RunProblem | None:
        """Return what keeps a workload from running in this workspace."""
        spec, workspace = facts.run.spec.polars, facts.workspace
        if spec is None or workspace is None:
            return None
        if spec.catalog is not None and not workspace.has_catalog(spec.catalog):
            known = ", ".join(workspace.catalog_names)
            message = f"there is no catalog {spec.catalog}; the catalog of this workspace is {known}"
            return RunProblem(Reason.INVALID_SPEC, message, final=True)
        if spec.distributed and (missing := await self._missing_credentials(workspace)):
            return RunProblem(Reason.CREDENTIALS_NOT_FOUND, missing, final=True)
        return None

    async def prepare(self, facts: RunFacts, attempts: Sequence[tuple[Task, int]]) -> Unprepared:
        """Have the environment of a workload with requirements built."""
        spec = facts.run.spec.polars
        assert spec is not None, "called only for Polars workloads"  # noqa: S101
        return await prepare(self._environments, facts, attempts, self._builder.image_of(spec))

    async def ensure_pod(self, start: AttemptStart) -> Manifest:
        """Return the sandbox of an attempt: the one that it has, one of the pool, or a new one."""
        run, workspace, spec = start.facts.run, start.workspace, start.facts.run.spec.polars
        assert spec is not None, "called only for Polars workloads"  # noqa: S101
        if held := await self._claims.find(run, start.attempt):
            return held
        since = monotonic()
        if claimed := await self._claim(start, spec):
            self._note(run, _SandboxRequest(_kind_of(claimed), since))
            return claimed
        manifest = self._builder.cold(run, spec, workspace, start.attempt)
        try:
            made = await self._cluster.create_or_adopt(manifest)
        except Forbidden:
            # Idle warm sandboxes may exhaust the quota.
            self._pools.pause(workspace)
            raise
        self._note(run, _SandboxRequest("cold", since))
        return made

    def observer(self, facts: RunFacts, run_pods: Sequence[Manifest]) -> SandboxObserver:
        """Return what reads the attempts off their sandboxes' outcomes, or off what their pods show."""
        run, assignment = facts.run, self._dispatcher.of(facts.run)
        pods = {pod["metadata"]["uid"]: pod for pod in ([assignment.pod] if assignment else [])}
        pods |= {pod["metadata"]["uid"]: pod for pod in run_pods}
        message = assignment.waiting_message if assignment and assignment.outcome is None else None
        reports = {uid: _report(run, pod, assignment) for uid, pod in pods.items()}
        return SandboxObserver(message, reports=reports, may_be_dispatched=self._may_be_dispatched(run))

    def on_status_written(self, facts: RunFacts, run_pods: Sequence[Manifest]) -> None:
        """Dispatch the workload to its sandbox as soon as that has an address."""
        run, spec, workspace = facts.run, facts.run.spec.polars, facts.workspace
        pod = _newest(run_pods)
        if spec is None or workspace is None or pod is None:
            return
        if accepts_workload(pod):
            self._dispatched.add(run.metadata.uid)
            request = self._requests.get((run.metadata.namespace or "", run.metadata.name))
            sandbox, since = request or ("", None)
            environment = environment_of(facts.tasks[0], workspace.metadata.name, self._builder.image_of(spec))
            key = environment.key if environment else None
            self._dispatcher.dispatch(Assignment(run, spec, workspace, facts.warehouse_id, key, pod, sandbox, since))

    def on_ended(self, run: Run) -> None:
        """Let the sandbox end."""
        self._dispatcher.release(run)
        self._dispatched.discard(run.metadata.uid)
        self._forget(run.metadata.namespace or "", run.metadata.name)

    def on_deleted(self, namespace: str, name: str) -> None:
        """Forget a run that was deleted."""
        self._dispatcher.forget(namespace, name)
        self._forget(namespace, name)

    def _forget(self, namespace: str, name: str) -> None:
        self._claims.forget(namespace, name)
        self._requests.pop((namespace, name), None)

    def _may_be_dispatched(self, run: Run) -> bool:
        """Return whether a run's workload may have been sent, by this process or by one before."""
        created = run.metadata.creation_timestamp
        return run.metadata.uid in self._dispatched or created is None or created <= self._started

    async def _claim(self, start: AttemptStart, spec: PolarsWorkload) -> Manifest | None:
        run, workspace = start.facts.run, start.workspace
        if spec.vcpus != DEFAULT_VCPUS or spec.distributed:
            return None
        states = pool_plan.claimable_states(start.task, start.attempt, may_be_dispatched=self._may_be_dispatched(run))
        demand = Demand(self._builder.template_hash(), states)
        claimed = await self._claims.claim(run, start.attempt, workspace, demand)
        if claimed:
            self._pools.on_claimed(workspace)
        return claimed

    def _note(self, run: Run, request: _SandboxRequest) -> None:
        self._requests[run.metadata.namespace or "", run.metadata.name] = request
        SANDBOX_STARTS.labels(request.sandbox).inc()

    async def _missing_credentials(self, workspace: Workspace) -> str | None:
        held = await read_secret(self._cluster, workspace.namespace, names.POLARS_CLOUD_SECRET)
        keys = None if held is None else [key for key, value in held.items() if value.strip()]
        return polars_cloud_problem(workspace.namespace, keys)


def _report(run: Run, pod: Manifest, assignment: Assignment | None) -> WorkloadReport:
    """Return what is known of the workload in one sandbox of a run."""
    if assignment and assignment.pod["metadata"]["uid"] != pod["metadata"]["uid"]:
        assignment = None
    start_time = assignment.start_time if assignment else None
    outcome = (assignment.outcome if assignment else None) or outcome_of_pod(pod)
    if outcome is None:
        return WorkloadReport(start_time=start_time)
    slug = names.workspace_of(run.metadata.namespace or "") or ""
    return report_of(outcome, start_time, object_store.run_result_key(slug, run.metadata.uid))


def _kind_of(claimed: Manifest) -> str:
    """Return what the sandbox that a workload got is to the metrics."""
    template = claimed["metadata"]["annotations"][TEMPLATE_ANNOTATION]
    state = pool_plan.state_of(claimed, template, datetime.now(UTC))
    return "warm" if state is SandboxState.READY else "starting"


def _newest(run_pods: Sequence[Manifest]) -> Manifest | None:
    """Return the sandbox of the newest attempt."""
    return max(run_pods, key=lambda pod: attempt_of(pod)[1], default=None)
