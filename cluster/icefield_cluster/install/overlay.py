"""A kustomization on top of one of the repository's overlays: this cluster's image tags and volumes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from icefield_cluster.images import REGISTRY
from icefield_cluster.install.generated import NAMESPACE
from icefield_cluster.paths import CHECKOUT

DEPLOYED = ("operator", "apiserver", "postgres", "versitygw", "tini", "catalog")
STARTED = ("runtime", "tini", "warehouse", "polars", "polars-cloud")
"""Images of pods that the operator starts; each is configured by a variable."""


def write(
    folder: Path,
    overlay: str,
    tags: Mapping[str, str],
    *,
    registry: str = REGISTRY,
    volumes: Path | None = None,
    pod_logs: Path | None = None,
    package_index_authorities: str = "",
) -> Path:
    """Write the kustomization and return its folder.

    Args:
        folder: where it is written; an existing one is replaced.
        overlay: name of the folder below manifests/overlays.
        tags: image name -> tag, of the images that were built.
        registry: prefix of the built images' names.
        volumes: folder of the volumes' folders on the host; None where the cluster provides volumes.
        pod_logs: folder of the kubelet's logs of pods; None for /var/log/pods.
        package_index_authorities: PEM of the certificate authorities that workspaces trust besides the public ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = [
        f"ICEFIELD_{name.upper().replace('-', '_')}_IMAGE={registry}/icefield/{name}:{tags[name]}" for name in STARTED
    ]
    generated: list[dict[str, object]] = [
        {"name": "icefield-operator", "namespace": NAMESPACE, "behavior": "merge", "literals": settings}
    ]
    if package_index_authorities:
        settings.append("ICEFIELD_PACKAGE_INDEX_CA_FILE=/etc/icefield/package-index/ca.crt")
        generated.append({"name": "icefield-package-index", "namespace": NAMESPACE, "files": ["ca.crt"]})
        (folder / "ca.crt").write_text(package_index_authorities, encoding="utf-8")
    content: dict[str, object] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(CHECKOUT / "manifests" / "overlays" / overlay, folder.resolve())],
        "images": [
            {"name": f"{REGISTRY}/icefield/{name}", "newName": f"{registry}/icefield/{name}", "newTag": tags[name]}
            for name in DEPLOYED
            if name in tags
        ],
        "configMapGenerator": generated,
    }
    folders = {name: volumes / name for name in ("postgres", "object-store")} if volumes else {}
    if pod_logs:
        folders["pod-logs"] = pod_logs
    if folders:
        content["patches"] = [_volume(name, folder) for name, folder in folders.items()]
    # JSON is YAML in which every string is quoted: a tag such as 12345678e012 is a number to kubectl, not to PyYAML.
    (folder / "kustomization.yaml").write_text(json.dumps(content, indent=2), encoding="utf-8")
    return folder


def _volume(name: str, path: Path) -> dict[str, object]:
    operation = {"op": "replace", "path": "/spec/hostPath/path", "value": str(path)}
    return {"target": {"kind": "PersistentVolume", "name": f"icefield-{name}"}, "patch": json.dumps([operation])}
