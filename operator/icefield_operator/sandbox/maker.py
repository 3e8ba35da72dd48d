"""Gives runs with a Polars workload their sandbox: a warm one, or one of their own."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from icefield_crds import PolarsWorkload, Reason, Run, Workspace, names, object_store
from icefield_crds.polars import DEFAULT_VCPUS, polars_cloud_problem
from icefield_operator.cluster import Cluster
from icefield_operator.errors import Forbidden
from icefield_operator.metrics import SANDBOX_STARTS
from icefield_operator.run.maker import Maker, Start
from icefield_operator.run.pods import Told
from icefield_operator.run.resolve import Facts
from icefield_operator.run.validate import Problem
from icefield_operator.workspace.resolve import read_secret
from icefield_operator.world import Manifest

from . import outcome
from .build import SandboxBuilder
from .claims import Claims
from .pools import SandboxPools
from .workloads import Assignment, Workloads


class _Asked(NamedTuple):
    """How a run came by its sandbox."""

    sandbox: str
    since: float


class SandboxMaker(Maker):
    """Makes, or finds, the pods of runs with a Polars workload."""

    def __init__(
        self, cluster: Cluster, builder: SandboxBuilder, claims: Claims, pools: SandboxPools, workloads: Workloads
    ) -> None:
        """Make one.

        Args:
            cluster: where pods are.
            builder: who makes their manifests.
            claims: who gives out warm ones.
            pools: who keeps warm ones.
            workloads: who brings workloads to them.
        """
        self._cluster = cluster
        self._builder = builder
        self._claims = claims
        self._pools = pools
        self._workloads = workloads
        self._asked: dict[tuple[str, str], _Asked] = {}

    async def first_problem(self, facts: Facts) -> Problem | None:
        """Return what keeps a workload from ever running here."""
        spec, workspace = facts.run.spec.polars, facts.workspace
        if spec is None or workspace is None:
            return None
        if spec.catalog is not None and not workspace.has_catalog(spec.catalog):
            known = ", ".join(workspace.catalog_names)
            message = f"there is no catalog {spec.catalog}; this workspace's is called {known}"
            return Problem(Reason.INVALID_SPEC, message, final=True)
        if spec.distributed and (missing := await self._missing_credentials(workspace)):
            return Problem(Reason.CREDENTIALS_NOT_FOUND, missing, final=True)
        return None

    async def start(self, start: Start) -> Manifest:
        """Return the run's sandbox: the one that it has, a warm one, or a new one."""
        run, workspace, spec = start.facts.run, start.workspace, start.facts.run.spec.polars
        assert spec is not None, "asked only for Polars workloads"  # noqa: S101
        if held := await self._claims.held(run):
            return held
        since = monotonic()
        if claimed := await self._claim(run, spec, workspace):
            self._note(run, _Asked("warm", since))
            return claimed
        manifest = self._builder.cold(run, spec, workspace.metadata.name)
        try:
            made = await self._cluster.create_or_adopt(manifest)
        except Forbidden:
            # A quota may be full of sandboxes that only wait.
            self._pools.make_room(workspace)
            raise
        self._note(run, _Asked("cold", since))
        return made

    def look(self, facts: Facts, run_pods: Sequence[Manifest]) -> Told:
        """Return what the sandbox says of its workload, or what its pod shows."""
        run = facts.run
        assigned = self._workloads.of(run)
        begun = assigned.begun if assigned else None
        said = assigned.outcome if assigned else None
        if said is None and run_pods:
            said = outcome.of_pod(run_pods[0])
        if said is None:
            return Told(is_brought=True, begun=begun, waits=assigned.waits if assigned else None)
        slug = names.workspace_of(run.metadata.namespace or "") or ""
        return outcome.told(said, begun, object_store.run_result_key(slug, run.metadata.uid))

    def carry_on(self, facts: Facts, run_pods: Sequence[Manifest]) -> None:
        """Bring the workload to its sandbox as soon as that has an address."""
        run, spec, workspace = facts.run, facts.run.spec.polars, facts.workspace
        if spec is None or workspace is None or not run_pods:
            return
        pod = run_pods[0]
        status = pod.get("status", {})
        if status.get("podIP") and status.get("phase") not in ("Succeeded", "Failed"):
            asked = self._asked.get((run.metadata.namespace or "", run.metadata.name))
            sandbox, since = asked or ("", None)
            self._workloads.assign(Assignment(run, spec, workspace, pod, sandbox, since))

    def note_end(self, run: Run) -> None:
        """Let the sandbox end too."""
        self._workloads.note_written(run)
        self._forget(run.metadata.namespace or "", run.metadata.name)

    def note_gone(self, namespace: str, name: str) -> None:
        """Stop asking after a run that is no more."""
        self._workloads.forget(namespace, name)
        self._forget(namespace, name)

    def _forget(self, namespace: str, name: str) -> None:
        self._claims.forget(namespace, name)
        self._asked.pop((namespace, name), None)

    async def _claim(self, run: Run, spec: PolarsWorkload, workspace: Workspace) -> Manifest | None:
        if spec.vcpus != DEFAULT_VCPUS or spec.distributed:
            return None
        claimed = await self._claims.claim(run, workspace, self._builder.template_hash())
        if claimed:
            self._pools.note_claim(workspace, claimed)
        return claimed

    def _note(self, run: Run, asked: _Asked) -> None:
        self._asked[run.metadata.namespace or "", run.metadata.name] = asked
        SANDBOX_STARTS.labels(asked.sandbox).inc()

    async def _missing_credentials(self, workspace: Workspace) -> str | None:
        held = await read_secret(self._cluster, workspace.namespace, names.POLARS_CLOUD_SECRET)
        keys = None if held is None else [key for key, value in held.items() if value.strip()]
        return polars_cloud_problem(workspace.namespace, keys)
