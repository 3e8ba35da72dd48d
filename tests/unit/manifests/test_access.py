"""Roles grant what they are for, and not more."""

from collections.abc import Iterator

from tests.unit.manifests.rendering import Manifest, of_kind

from icefield_crds import names

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def _role(name: str) -> list[Manifest]:
    (role,) = (role for role in of_kind("production", "ClusterRole") if role["metadata"]["name"] == name)
    rules: list[Manifest] = role.get("rules", [])
    return rules


def _account(name: str) -> list[Manifest]:
    """Return the rules of every role of ours that a service account is bound to everywhere."""
    return [rule for role in _bound(name) if not role.startswith("system:") for rule in _role(role)]


def _bound(account: str) -> list[str]:
    return [
        binding["roleRef"]["name"]
        for binding in of_kind("production", "ClusterRoleBinding")
        if account in {subject["name"] for subject in binding["subjects"] if subject["kind"] == "ServiceAccount"}
    ]


def _ours(rules: list[Manifest]) -> dict[str, set[str]]:
    granted: dict[str, set[str]] = {}
    for rule in rules:
        if names.GROUP in rule["apiGroups"]:
            for resource in rule["resources"]:
                granted.setdefault(resource, set()).update(rule["verbs"])
    return granted


def _kinds() -> set[str]:
    return {definition["spec"]["names"]["plural"] for definition in of_kind("production", "CustomResourceDefinition")}


def _namespaced() -> set[str]:
    definitions = of_kind("production", "CustomResourceDefinition")
    return {d["spec"]["names"]["plural"] for d in definitions if d["spec"]["scope"] == "Namespaced"}


def _rules() -> Iterator[Manifest]:
    for role in of_kind("production", "ClusterRole"):
        yield from role.get("rules", [])


def test_nothing_is_granted_by_wildcard() -> None:
    for rule in _rules():
        assert "*" not in [name for named in rule.values() for name in named]


def test_workspace_roles_cover_every_namespaced_kind_and_no_status() -> None:
    for role in ("icefield-viewer", "icefield-editor", "icefield-admin"):
        assert _ours(_role(role)).keys() == _namespaced(), role
    viewer, editor, admin = (_ours(_role(f"icefield-{role}")) for role in ("viewer", "editor", "admin"))
    for kind in _namespaced():
        assert not viewer[kind] & WRITES
        assert viewer[kind] < editor[kind] < admin[kind]


def test_the_api_server_writes_only_by_impersonation_but_wakes_warehouses() -> None:
    for rule in _account("icefield-apiserver"):
        beyond = {"patch"} if rule["resources"] == ["warehouses"] else set()
        assert not set(rule["verbs"]) - {"get", "list", "watch"} - beyond
    granted = _ours(_account("icefield-apiserver"))
    assert granted.keys() == _kinds()
    assert [kind for kind, verbs in granted.items() if verbs & WRITES] == ["warehouses"]


def test_the_api_server_reads_nothing_but_our_kinds_everywhere() -> None:
    assert {group for rule in _account("icefield-apiserver") for group in rule["apiGroups"]} == {names.GROUP}


def test_the_api_server_reads_seven_secrets_of_a_workspace_by_name() -> None:
    (rule,) = (rule for rule in _role(names.API_SERVER_WORKSPACE_ROLE) if "secrets" in rule["resources"])
    assert rule["verbs"] == ["get"]
    assert set(rule["resourceNames"]) == {
        names.CATALOG_SECRET,
        names.ENVIRONMENT_SECRET,
        names.OBJECT_STORE_SECRET,
        names.OBJECT_STORE_MEMBERS_SECRET,
        names.OBJECT_STORE_READER_SECRET,
        names.POLARS_CLOUD_SECRET,
        names.WAREHOUSE_TOKEN_SECRET,
    }


def test_of_all_secrets_roles_open_the_variables_of_tasks_only() -> None:
    for role, verbs in (("viewer", None), ("editor", ["get", "patch"]), ("admin", ["get", "patch"])):
        rules = [rule for rule in _role(f"icefield-{role}") if "secrets" in rule["resources"]]
        allowed = [(rule["resourceNames"], rule["verbs"]) for rule in rules]
        assert allowed == ([([names.ENVIRONMENT_SECRET], verbs)] if verbs else [])


def test_of_kubernetes_own_roles_ours_have_the_one_that_asks_who_holds_a_token() -> None:
    for account in ("icefield-apiserver", "icefield-operator", "icefield-log-agent"):
        assert [role for role in _bound(account) if role.startswith("system:")] == ["system:auth-delegator"]


def test_the_impersonator_role_leaves_its_rules_to_the_operator() -> None:
    (role,) = (
        role
        for role in of_kind("production", "ClusterRole")
        if role["metadata"]["name"] == names.IMPERSONATOR_CLUSTER_ROLE
    )
    assert "rules" not in role


def test_the_operator_writes_no_more_than_it_has_to() -> None:
    granted = _ours(_account("icefield-operator"))
    assert not granted["jobs"] & WRITES
    assert not granted["flavors"] & WRITES
    assert not granted["warehouses"] & WRITES
    assert granted["workspaces"] & WRITES == {"patch"}
    assert granted["runs"] & WRITES == {"create", "patch", "delete"}


def test_the_operator_reads_every_kind_and_reports_on_those_that_it_reconciles() -> None:
    granted = _ours(_account("icefield-operator"))
    assert all(granted[kind] >= {"get", "list", "watch"} for kind in _kinds())
    reconciled = _kinds() - {"flavors"}
    assert {kind for kind in _kinds() if f"{kind}/status" in granted} == reconciled
    assert {kind for kind in _kinds() if f"{kind}/finalizers" in granted} == reconciled
    assert all(granted[f"{kind}/status"] == {"get", "patch", "update"} for kind in reconciled)
    assert all(granted[f"{kind}/finalizers"] == {"update"} for kind in reconciled)


def test_binding_and_escalation_are_limited_by_name() -> None:
    for rule in _account("icefield-operator"):
        if {"bind", "escalate", "impersonate"} & set(rule["verbs"]):
            assert rule["resourceNames"]


def test_platform_administrators_are_one_user() -> None:
    (binding,) = (
        binding
        for binding in of_kind("production", "ClusterRoleBinding")
        if binding["metadata"]["name"] == "icefield-platform-admin"
    )
    assert [subject["name"] for subject in binding["subjects"]] == [names.PLATFORM_ADMIN_USER]
    assert _ours(_role("icefield-platform-admin")).keys() == {"workspaces", "flavors"}
