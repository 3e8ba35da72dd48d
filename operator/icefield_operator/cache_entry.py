"""What the operator's cache keeps of one object: no managedFields, and of an ended run neither its model nor its tree.

Runs that have ended outnumber everything else, and hardly anything reads them again. As parsed JSON with a model one
of two tasks takes 40 KB, packed with its record 1.6 KB (docs/benchmarks.md).
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from icefield_crds import KINDS, Resource, Run, RunPhase
from icefield_kube.client import Manifest
from icefield_kube.store import Identity

from .pod_status import time_of

log = logging.getLogger(__name__)

MODELS: dict[str, type[Resource[Any, Any]]] = {model.KIND: model for model in KINDS}

_FASTEST = 1
_NOT_YET = datetime.max.replace(tzinfo=UTC)


class RunRecord(NamedTuple):
    """What passes over other resources, and metrics, read of a run: kept for ended ones too."""

    namespace: str
    name: str
    phase: RunPhase
    created: datetime | None
    completed: datetime | None
    job: str | None
    """Name of its Job."""
    controller: str | None
    """uid of its controller."""
    is_polars: bool
    is_settled: bool
    """Whether no pass has anything left to do, once its pods are gone: it has ended, the status is about its newest
    spec, and the logs of all attempts are archived."""

    @property
    def is_unfinished(self) -> bool:
        """Whether it has not ended."""
        return not self.phase.is_terminal

    @property
    def order(self) -> tuple[datetime, str]:
        """What orders runs by their creation, which has whole seconds: the name decides between equals."""
        return self.created or _NOT_YET, self.name


class Entry:
    """One cached object; its model is validated on first use, once per version, and each time for an ended run."""

    __slots__ = ("_manifest", "_model", "_packed", "_tried", "identity", "run")

    def __init__(self, manifest: Manifest) -> None:
        self.identity = Identity(manifest["metadata"]["uid"], *key_of(manifest), version_of(manifest))
        self.run = _record_of(manifest) if manifest["kind"] == Run.KIND else None
        stripped = _without_managed_fields(manifest)
        is_packed = self.run is not None and self.run.phase.is_terminal
        self._manifest = None if is_packed else stripped
        self._packed = zlib.compress(orjson.dumps(stripped), _FASTEST) if is_packed else b""
        self._model: Resource[Any, Any] | None = None
        self._tried = False

    @property
    def manifest(self) -> Manifest:
        """The object as the API serves it, without managedFields."""
        if self._manifest is not None:
            return self._manifest
        unpacked: Manifest = orjson.loads(zlib.decompress(self._packed))
        return unpacked

    @property
    def model(self) -> Resource[Any, Any] | None:
        """Its model; None where it does not validate."""
        if self._packed:
            return _validated(self.manifest)
        if not self._tried:
            self._tried = True
            self._model = _validated(self.manifest)
        return self._model


def key_of(manifest: Manifest) -> tuple[str, str]:
    """Return (namespace or "", name) of an object."""
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(manifest: Manifest) -> int:
    """Return the resourceVersion as a number: within one kind, a later version is a greater one (KEP-5504)."""
    return int(manifest["metadata"]["resourceVersion"])


def _validated(manifest: Manifest) -> Resource[Any, Any] | None:
    try:
        return MODELS[manifest["kind"]].model_validate(manifest)
    except ValidationError as error:
        log.error("%s %s/%s does not validate: %s", manifest["kind"], *key_of(manifest), error)
        return None


def _without_managed_fields(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    if "managedFields" not in metadata:
        return manifest
    return {**manifest, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _record_of(run: Manifest) -> RunRecord:
    metadata, spec, status = run["metadata"], run.get("spec") or {}, run.get("status") or {}
    references = metadata.get("ownerReferences") or ()
    phase = RunPhase(status.get("phase") or RunPhase.PENDING)
    return RunRecord(
        *key_of(run),
        phase=phase,
        created=time_of(metadata.get("creationTimestamp")),
        completed=time_of(status.get("completionTime")),
        job=(spec.get("jobRef") or {}).get("name"),
        controller=next((reference["uid"] for reference in references if reference.get("controller")), None),
        is_polars=spec.get("polars") is not None,
        is_settled=phase.is_terminal and _is_settled(metadata, status),
    )


def _is_settled(metadata: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    return (
        not metadata.get("deletionTimestamp")
        and status.get("observedGeneration") == metadata.get("generation")
        and all(
            attempt.get("logsArchived", False)
            for task in status.get("tasks") or ()
            for attempt in task.get("attempts") or ()
        )
    )
