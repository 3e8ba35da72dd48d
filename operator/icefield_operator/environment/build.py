"""Pure: the pod that builds an environment, and what mounts one.

Three containers, one after the other. Ours brings uv. The image that the environment is for makes it with that: code of
packages runs there, so it has no keys, no token and nothing of the workspace. Ours stores what was made.
"""

from __future__ import annotations

from typing import NamedTuple

from icefield_crds import labels, names, object_store
from icefield_crds.requirements import ENVIRONMENT_DIRECTORY, Requirements, environment_digest
from icefield_kube.client import Manifest
from icefield_operator import pod_spec

BUILD_CONTAINER, STORE_CONTAINER = "build", "store"
BUILD_SECONDS = 1800
"""How long the pod may take, its images included."""

_TOOLS, _GIVEN = "/icefield", "/icefield-requirements"
_PROGRAMS = "/opt/icefield/environments"
_LINES, _LOCK = f"{names.GROUP}/requirements", f"{names.GROUP}/lock"
_STORAGE = "10Gi"
_NO_PYTHON = "the image has no python3, which requirements need"
_ENVIRONMENT_MOUNT: Manifest = {"name": "environment", "mountPath": ENVIRONMENT_DIRECTORY}


class EnvironmentSettings(NamedTuple):
    """What environments are built with."""

    runtime_image: str
    """The image of tasks, which has uv and the programs that build and unpack."""
    pull_policy: str
    package_index: str | None
    """URL of the package index; uv's own default when None."""


class Environment(NamedTuple):
    """What requirements become in one image of one workspace."""

    workspace: str
    """The workspace's slug."""
    image: str
    requirements: Requirements

    @property
    def digest(self) -> str:
        """Its name."""
        return environment_digest(self.requirements, self.image)

    @property
    def key(self) -> str:
        """Where it is in the bucket."""
        return object_store.environment_key(self.workspace, self.digest)

    @property
    def builder(self) -> str:
        """Name of the pod that builds it."""
        return names.environment_builder(self.digest)


def builder(environment: Environment, settings: EnvironmentSettings) -> Manifest:
    """Return the pod that builds an environment."""
    namespace = names.namespace_of(environment.workspace)
    metadata = {
        "name": environment.builder,
        "namespace": namespace,
        "labels": labels.of_environment_builder(environment.workspace),
        "annotations": {
            _LINES: "".join(f"{line}\n" for line in environment.requirements.lines),
            _LOCK: environment.requirements.lock or "",
        },
    }
    given = [
        {"path": file, "fieldRef": {"fieldPath": f"metadata.annotations['{annotation}']"}}
        for file, annotation in (("requirements", _LINES), ("lock", _LOCK))
    ]
    spec = {
        **pod_spec.restricted_pod(),
        "restartPolicy": "Never",
        "activeDeadlineSeconds": BUILD_SECONDS,
        "terminationGracePeriodSeconds": 5,
        "initContainers": [_bring(settings), _build(environment, settings)],
        "containers": [_archive(settings, STORE_CONTAINER, "store", environment.key, read_only=True)],
        "volumes": [
            pod_spec.scratch_volume("tools", "256Mi"),
            pod_spec.scratch_volume("tmp", _STORAGE),
            pod_spec.scratch_volume("environment", _STORAGE),
            pod_spec.CA_VOLUME,
            {"name": "given", "downwardAPI": {"items": given}},
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class Mounted(NamedTuple):
    """An environment that is stored, for pods that use it."""

    environment: Environment
    settings: EnvironmentSettings

    def into(self, spec: Manifest, size_limit: str) -> Manifest:
        """Return the spec of a pod whose first container finds the environment at its place.

        Args:
            spec: without it.
            size_limit: of the volume.
        """
        first, *others = spec["containers"]
        fetch = _archive(self.settings, "environment", "fetch", self.environment.key, read_only=False)
        return {
            **spec,
            "initContainers": [*spec.get("initContainers", ()), fetch],
            "containers": [{**first, "volumeMounts": [*first["volumeMounts"], _ENVIRONMENT_MOUNT]}, *others],
            "volumes": [*spec["volumes"], pod_spec.scratch_volume("environment", size_limit)],
        }


def _bring(settings: EnvironmentSettings) -> Manifest:
    files = f"/opt/icefield/bin/uv {_PROGRAMS}/build.py"
    return {
        "name": "tools",
        "image": settings.runtime_image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["sh", "-c", f"cp {files} {_TOOLS}/"],
        "resources": _resources("100m", "64Mi", "1", "256Mi"),
        "securityContext": pod_spec.RESTRICTED,
        "volumeMounts": [{"name": "tools", "mountPath": _TOOLS}],
    }


def _build(environment: Environment, settings: EnvironmentSettings) -> Manifest:
    variables = pod_spec.python_env() | {
        "ICEFIELD_ENVIRONMENT": ENVIRONMENT_DIRECTORY,
        "ICEFIELD_REQUIREMENTS": f"{_GIVEN}/requirements",
        "ICEFIELD_LOCK": f"{_GIVEN}/lock",
        "ICEFIELD_UV": f"{_TOOLS}/uv",
        **({"UV_DEFAULT_INDEX": settings.package_index} if settings.package_index else {}),
    }
    start = (
        f"command -v python3 >/dev/null || {{ echo '{_NO_PYTHON}' >/dev/termination-log; exit 1; }}; "
        f"exec python3 {_TOOLS}/build.py"
    )
    return {
        "name": BUILD_CONTAINER,
        "image": environment.image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["sh", "-c", start],
        "env": pod_spec.values(variables),
        "resources": _resources("100m", "256Mi", "2", "4Gi"),
        "securityContext": pod_spec.RESTRICTED,
        "volumeMounts": [
            {"name": "tools", "mountPath": _TOOLS, "readOnly": True},
            {"name": "given", "mountPath": _GIVEN, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
            _ENVIRONMENT_MOUNT,
            pod_spec.CA_MOUNT,
        ],
    }


def _archive(settings: EnvironmentSettings, name: str, action: str, key: str, *, read_only: bool) -> Manifest:
    return {
        "name": name,
        "image": settings.runtime_image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["/opt/icefield/bin/python", f"{_PROGRAMS}/archive.py", action, key],
        "env": pod_spec.values(pod_spec.python_env() | {"ICEFIELD_ENVIRONMENT": ENVIRONMENT_DIRECTORY}),
        "envFrom": pod_spec.secrets(names.OBJECT_STORE_SECRET),
        "resources": _resources("50m", "64Mi", "2", "512Mi"),
        "securityContext": pod_spec.RESTRICTED,
        "volumeMounts": [{**_ENVIRONMENT_MOUNT, "readOnly": read_only}, pod_spec.CA_MOUNT],
    }


def _resources(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> Manifest:
    resources = {
        "requests": {"cpu": cpu, "memory": memory},
        "limits": {"cpu": cpu_limit, "memory": memory_limit},
    }
    return pod_spec.with_local_storage(resources, _STORAGE)
