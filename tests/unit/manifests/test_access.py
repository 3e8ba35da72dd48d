"""Roles grant what they are for, and not more."""

from collections.abc import Iterator

from tests.unit.manifests.rendering import Manifest, of_kind

from icefield_crds import names

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def _role(name: str) -> list[Manifest]:
    (role,) = (role for role in of_kind("production", "ClusterRole") if role["metadata"]["name"] == name)
    rules: list[Manifest] = role.get("rules", [])
    return rules


def _ours(name: str) -> dict[str, set[str]]:
    granted: dict[str, set[str]] = {}
    for rule in _role(name):
        if names.GROUP in rule["apiGroups"]:
            for resource in rule["resources"]:
                granted.setdefault(resource, set()).update(rule["verbs"])
    return granted


def _namespaced() -> set[str]:
    definitions = of_kind("production", "CustomResourceDefinition")
    return {d["spec"]["names"]["plural"] for d in definitions if d["spec"]["scope"] == "Namespaced"}


def _rules() -> Iterator[Manifest]:
    for role in of_kind("production", "ClusterRole"):
        yield from role.get("rules", [])


def test_nothing_is_granted_by_wildcard() -> None:
    for rule in _rules():
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]


def test_workspace_roles_cover_every_namespaced_kind_and_no_status() -> None:
    for role in ("icefield-viewer", "icefield-editor", "icefield-admin"):
        assert _ours(role).keys() == _namespaced(), role
    for kind in _namespaced():
        assert not _ours("icefield-viewer")[kind] & WRITES
        assert _ours("icefield-viewer")[kind] < _ours("icefield-editor")[kind] < _ours("icefield-admin")[kind]


def test_the_api_server_writes_only_by_impersonation_but_wakes_warehouses() -> None:
    for rule in _role("icefield-apiserver"):
        beyond = {"patch"} if rule["resources"] == ["warehouses"] else set()
        assert not set(rule["verbs"]) - {"get", "list", "watch"} - beyond
    granted = _ours("icefield-apiserver")
    assert [kind for kind, verbs in granted.items() if verbs & WRITES] == ["warehouses"]


def test_the_api_server_reads_six_secrets_by_name() -> None:
    (rule,) = (rule for rule in _role("icefield-apiserver") if "secrets" in rule["resources"])
    assert rule["verbs"] == ["get"]
    assert set(rule["resourceNames"]) == {
        names.CATALOG_SECRET,
        names.ENVIRONMENT_SECRET,
        names.OBJECT_STORE_SECRET,
        names.OBJECT_STORE_READER_SECRET,
        names.POLARS_CLOUD_SECRET,
        names.WAREHOUSE_TOKEN_SECRET,
    }


def test_of_all_secrets_roles_open_the_variables_of_tasks_only() -> None:
    for role, verbs in (("viewer", None), ("editor", ["get", "patch"]), ("admin", ["get", "patch"])):
        rules = [rule for rule in _role(f"icefield-{role}") if "secrets" in rule["resources"]]
        allowed = [(rule["resourceNames"], rule["verbs"]) for rule in rules]
        assert allowed == ([([names.ENVIRONMENT_SECRET], verbs)] if verbs else [])


def test_the_impersonator_role_leaves_its_rules_to_the_operator() -> None:
    (role,) = (
        role
        for role in of_kind("production", "ClusterRole")
        if role["metadata"]["name"] == names.IMPERSONATOR_CLUSTER_ROLE
    )
    assert "rules" not in role


def test_the_operator_writes_no_more_than_it_has_to() -> None:
    granted = _ours("icefield-operator")
    assert not granted["jobs"] & WRITES
    assert not granted["flavors"] & WRITES
    assert not granted["warehouses"] & WRITES
    assert granted["workspaces"] & WRITES == {"patch"}
    assert granted["runs"] & WRITES == {"create", "patch", "delete"}


def test_binding_and_escalation_are_limited_by_name() -> None:
    for rule in _role("icefield-operator"):
        if {"bind", "escalate", "impersonate"} & set(rule["verbs"]):
            assert rule["resourceNames"]


def test_platform_administrators_are_one_user() -> None:
    (binding,) = (
        binding
        for binding in of_kind("production", "ClusterRoleBinding")
        if binding["metadata"]["name"] == "icefield-platform-admin"
    )
    assert [subject["name"] for subject in binding["subjects"]] == [names.PLATFORM_ADMIN_USER]
    assert _ours("icefield-platform-admin").keys() == {"workspaces", "flavors"}
