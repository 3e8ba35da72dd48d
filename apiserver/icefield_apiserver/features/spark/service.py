"""Spark applications of a workspace."""

from __future__ import annotations

from collections.abc import Sequence

from icefield_apiserver.core.on_quota import OnQuota
from icefield_apiserver.features.runs.service import RunService, job_annotations
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Run, RunSpec, SparkApplication
from icefield_crds.names import slugify
from icefield_crds.requirements import NO_REQUIREMENTS, Requirements

from .application import new_application
from .artifacts import ArtifactService
from .machines import DEFAULT_MACHINE, MAX_EXECUTORS, Machines
from .programs import SparkProgram, application_of

__all__ = ["DEFAULT_MACHINE", "MAX_EXECUTORS", "Machines", "SparkService", "new_application"]

_FALLBACK = "spark"


class SparkService:
    """Submits Spark applications as runs, each call inside the caller's workspace.

    Args:
        runs: starts the runs.
        artifacts: the uploaded programs.
    """

    def __init__(self, runs: RunService, artifacts: ArtifactService) -> None:
        self._runs = runs
        self._artifacts = artifacts

    async def submit_program(
        self,
        principal: Principal,
        program: SparkProgram,
        *,
        namespace: str,
        name: str,
        tags: Sequence[dict[str, str]] = (),
        on_quota: OnQuota = OnQuota.REFUSE,
    ) -> Run:
        """Start a program as the caller; see `submit`."""
        application = await application_of(principal, program, self._artifacts)
        return await self.submit(
            principal,
            application,
            namespace=namespace,
            name=name,
            tags=tags,
            requirements=program.requirements,
            on_quota=on_quota,
        )

    async def submit(
        self,
        principal: Principal,
        application: SparkApplication,
        *,
        namespace: str,
        name: str,
        tags: Sequence[dict[str, str]] = (),
        requirements: Requirements = NO_REQUIREMENTS,
        on_quota: OnQuota = OnQuota.REFUSE,
    ) -> Run:
        """Start an application as the caller.

        Args:
            principal: the caller.
            application: what to run.
            namespace: namespace of the job that it counts as.
            name: name of the job that it counts as; prefix of the run's name.
            tags: tags of the run, each with key, value and source.
            requirements: Python packages that driver and executors need.
            on_quota: what happens when the maximum number of runs is running.

        Raises:
            BadRequest: it could never run.
            QuotaExceeded: the maximum number of runs is running.
            Forbidden: the caller's role does not permit it.
        """
        annotations = job_annotations(namespace, name, tags)
        spec = RunSpec(spark=application, requirements=list(requirements.lines), lock=requirements.lock)
        return await self._runs.submit(principal, spec, _prefix(name), annotations, on_quota=on_quota)


def _prefix(name: str) -> str:
    """Return a prefix of the run's name that Kubernetes accepts: the name of a job is free text."""
    try:
        return slugify(name)
    except ValueError:
        return _FALLBACK
