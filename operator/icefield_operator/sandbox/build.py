"""Pure: sandbox pods, and the patch that assigns one of a pool to a run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from icefield_crds import PolarsWorkload, Run, Workspace, labels, names
from icefield_crds.names import SINGLE_COMMAND_KEY, TASK_CONTAINER
from icefield_crds.polars import DEFAULT_VCPUS, MEMORY_PER_VCPU
from icefield_kube.client import Manifest
from icefield_operator import pod_spec

from .tokens import SandboxTokens, digest

TEMPLATE_ANNOTATION = f"{names.GROUP}/template-hash"
"""On each warm sandbox: the hash of its template. One of an older template is replaced."""
CLOUD_KEYS = {
    "POLARS_CLOUD_ACCESS_TOKEN": "accessToken",
    "POLARS_CLOUD_CLIENT_ID": "clientId",
    "POLARS_CLOUD_CLIENT_SECRET": "clientSecret",
    "POLARS_CLOUD_WORKSPACE": "workspace",
}
"""Variables of Polars Cloud's client, and the keys of the workspace's Secret that they come from."""

MAX_PROCESSES = 256
MAX_OUTPUT_BYTES = 16 * 1024**2
DISK_LIMIT_BYTES = 8 * 1024**3
GRACE_SECONDS = 5

_GIB = 1024**3
_REQUESTS = {"cpu": "50m", "memory": "256Mi", "ephemeral-storage": "64Mi"}
"""Small, as a workload rarely uses its limits for long; without the last, the limit would be asked for."""
_EPHEMERAL_STORAGE = "9Gi"
"""The volume and the output together."""


@dataclass(frozen=True)
class SandboxImages:
    """The images of sandboxes."""

    polars: str
    cloud: str
    """The one whose Polars drives Polars Cloud."""
    pull_policy: str


class SandboxBuilder:
    """Builds the manifests of sandboxes."""

    def __init__(self, images: SandboxImages, tokens: SandboxTokens) -> None:
        """Build with these images and the digests of these tokens."""
        self._images = images
        self._tokens = tokens

    def warm(self, workspace: Workspace, name: str) -> Manifest:
        """Return a sandbox of the default tier that waits for a workload."""
        slug = workspace.metadata.name
        metadata = {
            "name": name,
            "namespace": workspace.namespace,
            "labels": labels.of_warm_sandbox(slug),
            "annotations": {TEMPLATE_ANNOTATION: self.template_hash()},
            "ownerReferences": [workspace.owner_reference.to_api()],
        }
        pod = self._pod(metadata, DEFAULT_VCPUS, cloud=False)
        return {**pod, "spec": _as_warm(pod["spec"])}

    def cold(self, run: Run, workload: PolarsWorkload, workspace: Workspace, attempt: int) -> Manifest:
        """Return the sandbox of one attempt of a run."""
        metadata = {
            "name": names.pod_name(run.metadata.name, SINGLE_COMMAND_KEY, attempt),
            "namespace": run.metadata.namespace,
            "labels": _labels(run, workspace, attempt, cloud=workload.distributed),
            "ownerReferences": [run.owner_reference.to_api()],
        }
        return self._pod(metadata, workload.vcpus, cloud=workload.distributed)

    def image_of(self, workload: PolarsWorkload) -> str:
        """Return the image of the sandbox of a workload."""
        return self._images.cloud if workload.distributed else self._images.polars

    def template_hash(self) -> str:
        """Return the hash of the template of warm sandboxes."""
        spec = _as_warm(self._spec(DEFAULT_VCPUS, "", cloud=False))
        template = json.dumps([spec, self._tokens.generation], sort_keys=True)
        return hashlib.sha256(template.encode()).hexdigest()[:16]

    def _pod(self, metadata: Manifest, vcpus: int, *, cloud: bool) -> Manifest:
        token_sha256 = digest(self._tokens.of(metadata["namespace"], metadata["name"]))
        spec = self._spec(vcpus, token_sha256, cloud=cloud)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _spec(self, vcpus: int, token_sha256: str, *, cloud: bool) -> Manifest:
        return {
            "restartPolicy": "Never",
            **pod_spec.restricted_pod(),
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "containers": [self._container(vcpus, token_sha256, cloud=cloud)],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": f"{DISK_LIMIT_BYTES // _GIB}Gi"}},
                pod_spec.CA_VOLUME,
            ],
        }

    def _container(self, vcpus: int, token_sha256: str, *, cloud: bool) -> Manifest:
        memory = vcpus * MEMORY_PER_VCPU
        limits = {"cpu": str(int(vcpus)), "memory": f"{memory // _GIB}Gi", "ephemeral-storage": _EPHEMERAL_STORAGE}
        return {
            "name": TASK_CONTAINER,
            "image": self._images.cloud if cloud else self._images.polars,
            "imagePullPolicy": self._images.pull_policy,
            # PID 1, without an init: what runs in the sandbox cannot signal it.
            "command": ["python", "-m", "icefield_engines.polars"],
            "env": [*_env(int(vcpus), memory, token_sha256), *(_cloud_env() if cloud else ())],
            "ports": [{"name": "http", "containerPort": names.SANDBOX_PORT}],
            "readinessProbe": {
                "httpGet": {"path": "/readyz", "port": names.SANDBOX_PORT},
                "periodSeconds": 1,
                "timeoutSeconds": 2,
                "failureThreshold": 3,
            },
            "resources": {"requests": dict(_REQUESTS), "limits": limits},
            "securityContext": pod_spec.RESTRICTED,
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
                pod_spec.CA_MOUNT,
            ],
        }


def _as_warm(spec: Manifest) -> Manifest:
    """Return the spec of a sandbox that waits for a workload: anything that somebody started goes before it."""
    return {**spec, "priorityClassName": names.WARM_PRIORITY_CLASS}


def claim(pod: Manifest, run: Run, workspace: Workspace, attempt: int) -> Manifest:
    """Return the merge patch that assigns a sandbox to an attempt of a run; it fails if the pod has changed."""
    metadata = pod["metadata"]
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": _labels(run, workspace, attempt),
            "ownerReferences": [run.owner_reference.to_api()],
        }
    }


def _labels(run: Run, workspace: Workspace, attempt: int, *, cloud: bool = False) -> dict[str, str]:
    metadata, name = workspace.metadata, run.metadata.name
    return labels.of_sandbox(metadata.name, metadata.uid, name, SINGLE_COMMAND_KEY, attempt, cloud=cloud)


def _env(vcpus: int, memory: int, token_sha256: str) -> list[dict[str, Any]]:
    ca_bundle = f"{pod_spec.CA_DIRECTORY}/{names.CA_BUNDLE_KEY}"
    variables = {
        "HOME": "/tmp",  # noqa: S108 - in the container
        "SSL_CERT_FILE": ca_bundle,
        "REQUESTS_CA_BUNDLE": ca_bundle,
        "POLARS_MAX_THREADS": str(vcpus),
        "ICEFIELD_SANDBOX_TOKEN_SHA256": token_sha256,
        "ICEFIELD_VCPUS": str(vcpus),
        "ICEFIELD_MEMORY_LIMIT_BYTES": str(memory),
        "ICEFIELD_MAX_PROCESSES": str(MAX_PROCESSES),
        "ICEFIELD_MAX_OUTPUT_BYTES": str(MAX_OUTPUT_BYTES),
        "ICEFIELD_DISK_LIMIT_BYTES": str(DISK_LIMIT_BYTES),
    }
    return pod_spec.values(variables)


def _cloud_env() -> list[dict[str, Any]]:
    secret = {"name": names.POLARS_CLOUD_SECRET, "optional": True}
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {**secret, "key": key}}}
        for variable, key in CLOUD_KEYS.items()
    ]
