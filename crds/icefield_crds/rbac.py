"""RBAC that follows from the kinds: for the members of workspaces, platform administrators, API server and operator.

What does not follow from the kinds, such as the creation of Runs by schedules, is hand-written in the rbac.yaml of each
program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .meta import AnyResource
from .names import ENVIRONMENT_SECRET, GROUP, PLATFORM_ADMIN_USER, SYSTEM_NAMESPACE

Kinds = Sequence[type[AnyResource]]
Manifest = dict[str, Any]

RBAC_GROUP = "rbac.authorization.k8s.io"
READ = ("get", "list", "watch")
EDIT = (*READ, "create", "update", "patch", "delete")
ADMINISTER = (*EDIT, "deletecollection")


@dataclass(frozen=True)
class Explained:
    """A manifest, and why it is so: the comment above it in its file."""

    manifest: Manifest
    comment: str = ""


def workspace_roles(kinds: Kinds) -> list[Explained]:
    """Return the roles of a workspace's members."""
    ours = [kind.PLURAL for kind in kinds if kind.NAMESPACED]
    pods = [_rule([""], ["pods", "events"], READ), _rule([""], ["pods/log"], ["get"])]
    variables = _rule([""], ["secrets"], ["get", "patch"], [ENVIRONMENT_SECRET])
    return [
        Explained(
            _role("icefield-viewer", [_rule([GROUP], ours, READ), *pods], _aggregated_to("view")),
            "Bound inside each workspace's namespace by the operator. The aggregation labels give the same to whoever "
            "holds the cluster's own view, edit and admin roles there. Status is written by the operator alone, so no "
            "role has it.",
        ),
        Explained(
            _role("icefield-editor", [_rule([GROUP], ours, EDIT), *pods, variables], _aggregated_to("edit")),
            "The Secret has the variables of tasks; the operator makes it, for `create` cannot be limited to a name.",
        ),
        Explained(
            _role("icefield-admin", [_rule([GROUP], ours, ADMINISTER), *pods, variables], _aggregated_to("admin")),
            "Everything namespaced of ours, each named: `*` would include the status subresources.",
        ),
    ]


def platform_admin(kinds: Kinds) -> list[Explained]:
    """Return the role of platform administrators, and its binding."""
    name = "icefield-platform-admin"
    ours = [kind.PLURAL for kind in kinds if not kind.NAMESPACED]
    user = {"apiGroup": RBAC_GROUP, "kind": "User", "name": PLATFORM_ADMIN_USER}
    return [
        Explained(
            _role(name, [_rule([GROUP], ours, ADMINISTER)]),
            "Platform administrators make what belongs to no workspace. The API server writes it as the user "
            f"`{PLATFORM_ADMIN_USER}` (so no workspace may be called `platform`); bind people of your own to the role "
            "for kubectl.",
        ),
        Explained(_binding(name, user)),
    ]


def apiserver_reads(kinds: Kinds) -> list[Explained]:
    """Return what the API server may read of our kinds, and its binding."""
    name = "icefield-apiserver-kinds"
    return [
        Explained(
            _role(name, [_rule([GROUP], [kind.PLURAL for kind in kinds], READ)]),
            "Reads for the watch caches; the rest of what the API server may do is in rbac.yaml.",
        ),
        Explained(_binding(name, _account("icefield-apiserver"))),
    ]


def operator_reconciles(kinds: Kinds) -> list[Explained]:
    """Return what the operator needs for its passes over our kinds, and its binding."""
    name = "icefield-operator-kinds"
    reconciled = [kind.PLURAL for kind in kinds if kind.RECONCILED]
    rules = [
        _rule([GROUP], [kind.PLURAL for kind in kinds], READ),
        _rule([GROUP], [f"{plural}/status" for plural in reconciled], ["get", "patch", "update"]),
        _rule([GROUP], [f"{plural}/finalizers" for plural in reconciled], ["update"]),
    ]
    return [
        Explained(
            _role(name, rules),
            "The operator watches every kind, and writes the status of those that it reconciles. An ownerReference "
            "with blockOwnerDeletion counts as a write of the owner's finalizers. The rest of what the operator may do "
            "is in rbac.yaml.",
        ),
        Explained(_binding(name, _account("icefield-operator"))),
    ]


def _rule(groups: Sequence[str], resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = ()) -> Manifest:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": list(groups), "resources": list(resources), **named, "verbs": list(verbs)}


def _role(name: str, rules: list[Manifest], labels: Mapping[str, str] | None = None) -> Manifest:
    metadata = {"name": name} | ({"labels": dict(labels)} if labels else {})
    return {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def _binding(role: str, subject: Manifest) -> Manifest:
    return {
        "apiVersion": f"{RBAC_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


def _account(name: str) -> Manifest:
    return {"kind": "ServiceAccount", "name": name, "namespace": SYSTEM_NAMESPACE}


def _aggregated_to(role: str) -> dict[str, str]:
    return {f"{RBAC_GROUP}/aggregate-to-{role}": "true"}
