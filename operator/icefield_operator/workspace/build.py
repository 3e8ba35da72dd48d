"""Pure: from a Workspace to the objects of its namespace."""

from __future__ import annotations

import base64
import json

from icefield_crds import Role, Workspace, labels, names, object_store
from icefield_crds.wire.member_keys import READER, WRITER, MemberKeys
from icefield_kube.client import Manifest
from icefield_operator import network
from icefield_operator.catalog.provider import CatalogAccess
from icefield_operator.objectstore.access import IssuedKeys
from icefield_operator.objectstore.config import Access, Credentials, ObjectStoreConfig

from .ca_bundle import Authorities

TASK_SERVICE_ACCOUNT = "icefield-task"
NETWORK_POLICY = "icefield-workspace"
KEY_SECRETS = {
    Access.READ_WRITE: names.OBJECT_STORE_SECRET,
    Access.READ_ONLY: names.OBJECT_STORE_READER_SECRET,
}
MEMBER_ENTRIES = {Access.READ_WRITE: WRITER, Access.READ_ONLY: READER}
ISSUED_ANNOTATION = f"{names.GROUP}/issued"
"""On the Secret of the members' keys: when they were made, and for whom."""
TOKEN_KEY = "token"  # noqa: S105 - the key of a Secret, not a secret
CATALOG_ANNOTATION = f"{names.GROUP}/catalog"
"""On the catalog Secret: the provider of the catalog, and a digest of the configuration it was sent."""

_RBAC = "rbac.authorization.k8s.io"


def namespace(workspace: Workspace) -> Manifest:
    """Return the namespace; its pods must meet the restricted Pod Security level."""
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    manifest = _child(workspace, "v1", "Namespace", workspace.namespace)
    del manifest["metadata"]["namespace"]
    manifest["metadata"]["labels"] |= level
    return manifest


def children(workspace: Workspace, authorities: Authorities) -> list[Manifest]:
    """Return what every namespace has, even while the object store is unavailable.

    Args:
        workspace: whose.
        authorities: whose certificates its pods trust.
    """
    return [
        *(_service_account(workspace, name) for name in (TASK_SERVICE_ACCOUNT, "default")),
        *(_role_binding(workspace, role) for role in Role),
        _api_server_role_binding(workspace),
        _network_policy(workspace),
        {
            **_child(workspace, "v1", "ConfigMap", names.CA_BUNDLE_CONFIG_MAP),
            "data": {names.CA_BUNDLE_KEY: authorities.pem},
            "binaryData": {names.CA_TRUST_STORE_KEY: base64.b64encode(authorities.trust_store).decode()},
        },
        # Without data: what is in it is not ours. It is made here because RBAC cannot limit `create` to a name.
        {**_child(workspace, "v1", "Secret", names.ENVIRONMENT_SECRET), "type": "Opaque"},
    ]


def admin_access(workspace: Workspace) -> list[Manifest]:
    """Return the ClusterRole with which a workspace's administrators read and change the Workspace, and its binding.

    Which of its fields they may change is stated by manifests/base/access/workspace-admin-boundary.yaml.
    """
    slug = workspace.metadata.name
    name = names.workspace_admin_role(slug)
    rule = {
        "apiGroups": [names.GROUP],
        "resources": [Workspace.PLURAL],
        "resourceNames": [slug],
        "verbs": ["get", "list", "watch", "patch"],
    }
    return [
        {**_cluster_scoped(workspace, "ClusterRole", name), "rules": [rule]},
        {
            **_cluster_scoped(workspace, "ClusterRoleBinding", name),
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
            "subjects": _subjects(workspace, Role.ADMIN),
        },
    ]


def object_store_secret(
    workspace: Workspace, config: ObjectStoreConfig, access: Access, credentials: Credentials
) -> Manifest:
    """Return the Secret that pods take as their environment; one for each access."""
    variables = {
        "AWS_ENDPOINT_URL": config.endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_REGION": config.region,
        "ICEFIELD_BUCKET": config.bucket,
        "ICEFIELD_PREFIX": object_store.workspace_prefix(workspace.metadata.name),
    }
    if workspace.spec.object_store and (role := workspace.spec.object_store.role_arn):
        variables["ICEFIELD_ROLE_ARN"] = role
    return _secret(workspace, KEY_SECRETS[access], variables)


def members_secret(workspace: Workspace, issued: IssuedKeys) -> Manifest:
    """Return the Secret with the keys of the object store that the members share, and how they were issued."""
    entries = {
        MEMBER_ENTRIES[access]: MemberKeys(keys.access_key_id, keys.secret_access_key).to_json()
        for access, keys in issued.keys.items()
    }
    manifest = _secret(
        workspace, names.OBJECT_STORE_MEMBERS_SECRET, {entry: json.dumps(keys) for entry, keys in entries.items()}
    )
    manifest["metadata"]["annotations"] = {ISSUED_ANNOTATION: json.dumps(issued.issued.to_json(), sort_keys=True)}
    return manifest


def catalog_secret(workspace: Workspace, access: CatalogAccess, configuration: str) -> Manifest:
    """Return the Secret that warehouses take as their environment to reach the catalog.

    Args:
        workspace: whose.
        access: how to reach it.
        configuration: its provider, and a digest of the configuration that it was sent.
    """
    variables = {
        "ICEFIELD_CATALOG_URI": access.uri,
        "ICEFIELD_CATALOG_WAREHOUSE": access.warehouse,
        "ICEFIELD_CATALOG_TOKEN": access.token,
    }
    manifest = _secret(workspace, names.CATALOG_SECRET, variables)
    manifest["metadata"]["annotations"] = {CATALOG_ANNOTATION: configuration}
    return manifest


def warehouse_token_secret(workspace: Workspace, token: str) -> Manifest:
    """Return the Secret with the token that the gateways of the workspace's warehouses ask for."""
    return _secret(workspace, names.WAREHOUSE_TOKEN_SECRET, {TOKEN_KEY: token})


def impersonator(workspaces: list[str]) -> Manifest:
    """Return the ClusterRole with the users that the API server may impersonate.

    Args:
        workspaces: slugs of all workspaces.
    """
    users = [names.impersonated_user(slug, role) for slug in sorted(workspaces) for role in Role]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": names.IMPERSONATOR_CLUSTER_ROLE},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["users"],
                "verbs": ["impersonate"],
                "resourceNames": [names.PLATFORM_ADMIN_USER, *users],
            },
            {
                "apiGroups": ["authentication.k8s.io"],
                "resources": [f"userextras/{names.PERSON_EXTRA}"],
                "verbs": ["impersonate"],
            },
        ],
    }


def cleanup_event(workspace: Workspace, message: str, now: str) -> Manifest:
    """Return the event that reports what a deleted Workspace left behind, in the namespace of cluster-scoped events."""
    metadata = workspace.metadata
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{metadata.uid[:8]}.cleanup", "namespace": "default"},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": workspace.KIND,
            "name": metadata.name,
            "uid": metadata.uid,
        },
        "type": "Warning",
        "reason": "CleanupIncomplete",
        "message": message[:1024],
        "source": {"component": names.FIELD_MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _child(workspace: Workspace, api_version: str, kind: str, name: str) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": workspace.namespace,
            "labels": labels.of_workspace_child(workspace.metadata.name),
            "ownerReferences": [workspace.owner_reference.to_api()],
        },
    }


def _secret(workspace: Workspace, name: str, values: dict[str, str]) -> Manifest:
    return {
        **_child(workspace, "v1", "Secret", name),
        "type": "Opaque",
        # Not stringData: server-side apply would not see what was changed behind it.
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def _service_account(workspace: Workspace, name: str) -> Manifest:
    manifest = _child(workspace, "v1", "ServiceAccount", name)
    if name == "default":
        # Made by Kubernetes in every namespace: ours is only that nothing gets its token.
        del manifest["metadata"]["ownerReferences"], manifest["metadata"]["labels"]
    return {**manifest, "automountServiceAccountToken": False}


def _role_binding(workspace: Workspace, role: Role) -> Manifest:
    return {
        **_child(workspace, f"{_RBAC}/v1", "RoleBinding", f"icefield-{role}"),
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"icefield-{role}"},
        "subjects": _subjects(workspace, role),
    }


def _subjects(workspace: Workspace, role: Role) -> list[Manifest]:
    """Return who has a role in a workspace: its members, and the user as which the API server writes for them."""
    members = [member.user for member in workspace.spec.members if member.role is role]
    users = [names.impersonated_user(workspace.metadata.name, role), *sorted(members)]
    return [{"apiGroup": _RBAC, "kind": "User", "name": user} for user in users]


def _cluster_scoped(workspace: Workspace, kind: str, name: str) -> Manifest:
    manifest = _child(workspace, f"{_RBAC}/v1", kind, name)
    del manifest["metadata"]["namespace"]
    return manifest


def _api_server_role_binding(workspace: Workspace) -> Manifest:
    account = {"kind": "ServiceAccount", "name": names.API_SERVER_ACCOUNT, "namespace": names.SYSTEM_NAMESPACE}
    return {
        **_child(workspace, f"{_RBAC}/v1", "RoleBinding", names.API_SERVER_WORKSPACE_ROLE),
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": names.API_SERVER_WORKSPACE_ROLE},
        "subjects": [account],
    }


def _network_policy(workspace: Workspace) -> Manifest:
    return {
        **_child(workspace, "networking.k8s.io/v1", "NetworkPolicy", NETWORK_POLICY),
        "spec": {
            # Sandboxes have a narrower one of their own (sandbox/network.py), and policies add up.
            "podSelector": {"matchExpressions": [{"key": labels.SANDBOX, "operator": "DoesNotExist"}]},
            # Ingress: none, as there is no rule. (An empty list is not stored, so every apply would write.)
            "policyTypes": ["Ingress", "Egress"],
            # Out: name service, object store, our API and the internet. The Kubernetes API is within reach, but no
            # pod has a token for it; the pods of other workspaces refuse.
            "egress": [{"to": network.anywhere()}],
        },
    }
