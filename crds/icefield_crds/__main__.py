"""Render the YAML that follows from the kinds: `python -m icefield_crds [DIRECTORY]`, by default into this checkout.

Each kind gets one CustomResourceDefinition in crds/, and kustomization.yaml lists them. The RBAC that follows from the
kinds is rendered beside the hand-written in manifests/base.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from . import rbac, workspace_boundary
from .crd import crd_of
from .models import KINDS
from .names import GROUP

HEADER = "# Rendered by `python -m icefield_crds`; edit crds/icefield_crds instead.\n"
WIDTH = 120


def rendered() -> dict[str, str]:
    """Return the text of every rendered file, by its path in the repository."""
    return {f"crds/{name}": text for name, text in _definitions().items()} | {
        "manifests/base/access/platform-admin.yaml": _explained(rbac.platform_admin(KINDS)),
        "manifests/base/access/workspace-admin-boundary.yaml": _explained(_workspace_admin_boundary()),
        "manifests/base/access/workspace-roles.yaml": _explained(rbac.workspace_roles(KINDS)),
        "manifests/base/apiserver/rbac-kinds.yaml": _explained(rbac.apiserver_reads(KINDS)),
        "manifests/base/operator/rbac-kinds.yaml": _explained(rbac.operator_reconciles(KINDS)),
    }


def _workspace_admin_boundary() -> list[rbac.Explained]:
    comment = (
        "What RBAC cannot say: of a Workspace its own administrators change the members, and nothing else. Whoever may "
        "create Workspaces may change all of it."
    )
    return [rbac.Explained(workspace_boundary.policy(), comment), rbac.Explained(workspace_boundary.binding())]


def _definitions() -> dict[str, str]:
    definitions = {f"{GROUP}_{kind.PLURAL}.yaml": crd_of(kind) for kind in KINDS}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(definitions),
        "labels": [{"pairs": {"app.kubernetes.io/part-of": "icefield"}}],
    }
    documents: dict[str, dict[str, Any]] = {**definitions, "kustomization.yaml": kustomization}
    return {
        name: HEADER + yaml.safe_dump(document, sort_keys=False, width=WIDTH) for name, document in documents.items()
    }


def _explained(documents: Iterable[rbac.Explained]) -> str:
    """Return the YAML of several documents, with their comments."""
    return f"{HEADER}\n" + "---\n".join(map(_with_comment, documents))


def _with_comment(document: rbac.Explained) -> str:
    lines = textwrap.wrap(document.comment, WIDTH, initial_indent="# ", subsequent_indent="# ")
    # Lists in one line: a new kind changes few lines, and somebody reviews each.
    text: str = yaml.safe_dump(document.manifest, sort_keys=False, width=WIDTH, default_flow_style=None)
    return "".join(f"{line}\n" for line in lines) + text


def main() -> None:
    """Write the rendered files into the directory given, or into this checkout."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    for name, text in rendered().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
