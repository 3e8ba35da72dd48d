"""Workspaces: what is built, what is invalid, and the status, without a cluster."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from icefield_crds import ConditionType, Reason, Workspace
from icefield_operator.catalog.provider import CatalogAccess
from icefield_operator.objectstore.config import Access, Credentials, ObjectStoreConfig, Provider
from icefield_operator.problem import Problem
from icefield_operator.workspace import build, ca_bundle, status, validate
from icefield_operator.workspace.resolve import WorkspaceFacts

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 11, tzinfo=UTC)
AUTHORITIES = ca_bundle.Authorities("PEM", b"PKCS 12")


def workspace(name: str = "demo", **spec: Any) -> Workspace:
    """Return a Workspace as the API serves it."""
    return Workspace.model_validate({"metadata": {"name": name, "uid": f"uid-{name}", "generation": 3}, "spec": spec})


MEMBERS = [
    {"user": "zoe@example.org", "role": "editor"},
    {"user": "ada@example.org", "role": "editor"},
    {"user": "eve@example.org", "role": "viewer"},
]


def test_the_namespace_is_restricted_and_owned() -> None:
    metadata = build.namespace(workspace())["metadata"]
    assert metadata["name"] == "icefield-demo"
    assert "namespace" not in metadata
    assert metadata["labels"] == {
        "app.kubernetes.io/managed-by": "icefield-operator",
        "icefield.dev/workspace": "demo",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/audit": "restricted",
    }
    assert metadata["ownerReferences"][0]["uid"] == "uid-demo"


def test_its_administrators_read_and_change_the_one_workspace() -> None:
    role, binding = build.admin_access(workspace(members=[*MEMBERS, {"user": "ann@example.org", "role": "admin"}]))
    (rule,) = role["rules"]
    assert (rule["resources"], rule["resourceNames"]) == (["workspaces"], ["demo"])
    assert rule["verbs"] == ["get", "list", "watch", "patch"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "icefield:workspace:demo:admin"
    assert [subject["name"] for subject in binding["subjects"]] == ["icefield:demo:admin", "ann@example.org"]
    for manifest in (role, binding):
        assert "namespace" not in manifest["metadata"]
        assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-demo"


def test_each_role_is_bound_to_its_user_and_its_members() -> None:
    children = build.children(workspace(members=MEMBERS), AUTHORITIES)
    subjects = {
        child["roleRef"]["name"]: [subject["name"] for subject in child["subjects"]]
        for child in children
        if child["kind"] == "RoleBinding"
    }
    assert subjects == {
        "icefield-viewer": ["icefield:demo:viewer", "eve@example.org"],
        "icefield-editor": ["icefield:demo:editor", "ada@example.org", "zoe@example.org"],
        "icefield-admin": ["icefield:demo:admin"],
        "icefield-apiserver-workspace": ["icefield-apiserver"],
    }


def test_no_service_account_hands_out_tokens() -> None:
    accounts = [child for child in build.children(workspace(), AUTHORITIES) if child["kind"] == "ServiceAccount"]
    assert [account["metadata"]["name"] for account in accounts] == ["icefield-task", "default"]
    assert all(account["automountServiceAccountToken"] is False for account in accounts)


def test_the_secret_of_variables_is_made_without_saying_what_is_in_it() -> None:
    (secret,) = (child for child in build.children(workspace(), AUTHORITIES) if child["kind"] == "Secret")
    assert secret["metadata"]["name"] == "icefield-environment"
    assert not {"data", "stringData"} & secret.keys()


def test_every_child_is_in_the_namespace() -> None:
    children = build.children(workspace(), AUTHORITIES)
    assert {child["metadata"]["namespace"] for child in children} == {"icefield-demo"}
    names = [(child["kind"], child["metadata"]["name"]) for child in children]
    assert len(names) == len(set(names))
    ca = next(child for child in children if child["kind"] == "ConfigMap")
    assert (ca["metadata"]["name"], ca["data"]) == ("icefield-ca", {"ca-bundle.crt": "PEM"})
    assert ca["binaryData"] == {"ca-bundle.p12": base64.b64encode(b"PKCS 12").decode()}


def test_nobody_calls_a_task_and_no_task_asks_the_cloud_who_the_node_is() -> None:
    policy = next(child for child in build.children(workspace(), AUTHORITIES) if child["kind"] == "NetworkPolicy")[
        "spec"
    ]
    assert "ingress" not in policy
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    blocks = [peer["ipBlock"] for peer in policy["egress"][0]["to"] if "ipBlock" in peer]
    assert {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]} in blocks


def test_java_trusts_whom_others_trust() -> None:
    authorities = ca_bundle.read()
    in_pem = x509.load_pem_x509_certificates(authorities.pem.encode())
    in_trust_store = pkcs12.load_pkcs12(authorities.trust_store, None).additional_certs
    assert {found.certificate for found in in_trust_store} == set(in_pem)
    assert ca_bundle.read() == authorities


def decoded(secret: dict[str, Any]) -> dict[str, str]:
    """Return what a Secret says."""
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


@pytest.mark.parametrize(
    ("access", "name"),
    [(Access.READ_WRITE, "icefield-object-store"), (Access.READ_ONLY, "icefield-object-store-reader")],
)
def test_the_object_store_secret_is_an_environment(access: Access, name: str) -> None:
    config = ObjectStoreConfig(Provider.STATIC, "http://s3:7070", "eu-1", "lake", Credentials("root", "root"))
    secret = build.object_store_secret(workspace(), config, access, Credentials("icefield-demo", "s3cr3t"))
    assert secret["metadata"]["name"] == name
    assert decoded(secret) == {
        "AWS_ENDPOINT_URL": "http://s3:7070",
        "AWS_ACCESS_KEY_ID": "icefield-demo",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "AWS_REGION": "eu-1",
        "ICEFIELD_BUCKET": "lake",
        "ICEFIELD_PREFIX": "workspaces/demo",
    }


def test_the_object_store_secret_names_the_role_that_its_keys_may_assume() -> None:
    config = ObjectStoreConfig(Provider.STATIC, "http://s3:7070", "eu-1", "lake", Credentials("root", "root"))
    role = "arn:aws:iam::123456789012:role/icefield-demo"
    given = workspace(objectStore={"credentialsSecret": "demo-keys", "roleArn": role})
    secret = build.object_store_secret(given, config, Access.READ_WRITE, Credentials("demo", "s3cr3t"))
    assert decoded(secret)["ICEFIELD_ROLE_ARN"] == role


def test_the_catalog_secret_is_an_environment_and_remembers_what_the_keeper_was_told() -> None:
    secret = build.catalog_secret(workspace(), CatalogAccess("http://catalog/catalog", "demo", ""), "embedded/1a")
    assert secret["metadata"]["name"] == "icefield-catalog"
    assert secret["metadata"]["annotations"] == {"icefield.dev/catalog": "embedded/1a"}
    assert decoded(secret) == {
        "ICEFIELD_CATALOG_URI": "http://catalog/catalog",
        "ICEFIELD_CATALOG_WAREHOUSE": "demo",
        "ICEFIELD_CATALOG_TOKEN": "",
    }


def test_the_warehouse_token_secret() -> None:
    secret = build.warehouse_token_secret(workspace(), "t0k3n")
    assert (secret["metadata"]["name"], decoded(secret)) == ("icefield-warehouse-token", {"token": "t0k3n"})


def test_the_impersonator_may_be_the_roles_of_workspaces_and_nobody_else() -> None:
    role = build.impersonator(["lab", "demo"])
    assert role == build.impersonator(["demo", "lab"])
    users, extras = role["rules"]
    assert users["resourceNames"] == [
        "icefield:platform:admin",
        *(f"icefield:{slug}:{name}" for slug in ("demo", "lab") for name in ("viewer", "editor", "admin")),
    ]
    assert (users["apiGroups"], users["resources"], users["verbs"]) == ([""], ["users"], ["impersonate"])
    assert extras["apiGroups"] == ["authentication.k8s.io"]
    assert extras["resources"] == ["userextras/icefield.dev/person"]


def namespace(uid: str | None, **metadata: Any) -> dict[str, Any]:
    """Return a namespace owned by the Workspace with this uid, or by nobody."""
    owners = [{"uid": uid}] if uid else []
    return {"metadata": {"name": "icefield-demo", "ownerReferences": owners, **metadata}}


@pytest.mark.parametrize(
    ("found", "reason", "stalled"),
    [
        (None, None, None),
        (namespace("uid-demo"), None, None),
        (namespace(None), Reason.NAMESPACE_TAKEN, True),
        (namespace("uid-of-a-namesake"), Reason.NAMESPACE_TAKEN, True),
        (namespace(None, labels={"icefield.dev/workspace": "demo"}), Reason.NAMESPACE_TAKEN, True),
        (namespace("uid-demo", deletionTimestamp="2026-03-01T10:00:00Z"), Reason.NAMESPACE_DELETED, False),
        (namespace("uid-of-a-namesake", deletionTimestamp="2026-03-01T10:00:00Z"), Reason.IN_PROGRESS, False),
    ],
)
def test_a_namespace_that_is_not_ours_is_never_adopted(
    found: dict[str, Any] | None, reason: Reason | None, stalled: bool | None
) -> None:
    problem = validate.find_problem(WorkspaceFacts(workspace(), found))
    assert (problem.reason if problem else None, problem.stalled if problem else None) == (reason, stalled)


def test_the_status_tells_how_it_stands_and_since_when() -> None:
    problem = Problem(Reason.OBJECT_STORE_UNAVAILABLE, "the store is away", stalled=False)
    not_ready = status.not_ready(workspace(), problem, NOW)
    assert not_ready.namespace == "icefield-demo"
    assert not not_ready.is_true(ConditionType.READY)
    assert not_ready.is_true(ConditionType.RECONCILING)
    assert not not_ready.is_true(ConditionType.STALLED)
    again = status.not_ready(workspace().model_copy(update={"status": not_ready}), problem, LATER)
    assert again == not_ready
    ready = status.ready(workspace().model_copy(update={"status": not_ready}), LATER)
    assert ready.is_true(ConditionType.READY)
    stalled = ready.condition(ConditionType.STALLED)
    assert stalled
    assert stalled.last_transition_time == NOW
    assert ready.observed_generation == 3


def test_a_taken_namespace_is_not_called_the_workspaces_own() -> None:
    taken = validate.find_problem(WorkspaceFacts(workspace(), namespace(None)))
    assert taken
    written = status.not_ready(workspace(), taken, NOW)
    assert written.namespace is None
    assert written.is_true(ConditionType.STALLED)
