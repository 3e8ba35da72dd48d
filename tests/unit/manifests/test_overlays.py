"""What the overlays promise: images that are known, no Secrets, production's two API servers, two node ports."""

import json
import re

import pytest
import yaml
from tests.unit.manifests.rendering import OVERLAYS, REPOSITORY, Manifest, containers, of_kind, pod_specs
from tests.unit.manifests.rendering import render as rendered

from icefield_crds import labels
from icefield_kube.settings import SECRETS_DIRECTORY
from icefield_operator.settings import Settings

OURS = re.compile(r"^(localhost|registry\.example\.com)/icefield/(?P<name>[a-z-]+):[\w.-]+$")
PINNED = re.compile(r"^[\w.-]+\.[a-z]+/[\w./-]+:(?!latest)[\w.-]+(@sha256:[0-9a-f]{64})?$")

STARTED_BY_THE_OPERATOR = ("RUNTIME", "TINI", "WAREHOUSE", "POLARS", "POLARS_CLOUD")


def _built() -> set[str]:
    listed = yaml.safe_load((REPOSITORY / "images" / "images.yaml").read_text())["images"]
    return {image["name"] for image in listed}


def _images(overlay: str) -> set[str]:
    of_pods = {container["image"] for _, pod in pod_specs(overlay) for container in containers(pod)}
    (settings,) = (
        manifest["data"]
        for manifest in of_kind(overlay, "ConfigMap")
        if manifest["metadata"]["name"].startswith("icefield-operator-")
    )
    return of_pods | {settings[f"ICEFIELD_{name}_IMAGE"] for name in STARTED_BY_THE_OPERATOR}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_image_is_ours_or_pinned(overlay: str) -> None:
    for image in _images(overlay):
        ours = OURS.match(image)
        assert (ours and ours["name"] in _built()) or (not ours and PINNED.match(image)), image


def test_standalone_pulls_nothing() -> None:
    assert all(image.startswith("localhost/") for image in _images("standalone"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_part_of_an_overlay(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == []


NOT_SECRET = {
    *("provider", "endpoint", "externalEndpoint", "stsEndpoint", "region", "bucket", "uri", "managementUri"),
    *("host", "port", "database", "username"),
}
WITHOUT_FILES = {
    "versitygw": {"accessKeyId", "secretAccessKey"},
    "lakekeeper/catalog": {"databaseUrl", "encryptionKey"},
}
"""Images of programs that read variables only."""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_secret_is_mounted_and_no_variable(overlay: str) -> None:
    for _, pod in pod_specs(overlay):
        for container in containers(pod):
            assert "secretRef" not in json.dumps(container.get("envFrom", []))
            references = [variable.get("valueFrom", {}).get("secretKeyRef") for variable in container.get("env", [])]
            taken = {reference["key"] for reference in references if reference}
            allowed = [keys for image, keys in WITHOUT_FILES.items() if image in container["image"]]
            assert taken <= NOT_SECRET.union(*allowed), container["name"]


def test_what_is_mounted_is_what_the_settings_read() -> None:
    of_apiserver = {"DATABASE_URL", "SESSION_KEY", "ADMIN_EMAIL", "ADMIN_PASSWORD"}
    of_store = {"OBJECT_STORE_ACCESS_KEY_ID", "OBJECT_STORE_SECRET_ACCESS_KEY"}
    expected = {
        "icefield-apiserver": of_apiserver | of_store,
        "icefield-operator": {"CATALOG_ADMIN_TOKEN"} | of_store,
        "icefield-log-agent": of_store,
    }
    for name, pod in pod_specs("production"):
        if name not in expected:
            continue
        (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "secrets")
        sources = [source["secret"] for source in volume["projected"]["sources"]]
        assert {item["path"] for source in sources for item in source["items"]} == {
            f"ICEFIELD_{each}" for each in expected[name]
        }
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts["secrets"] == SECRETS_DIRECTORY
        assert len(sources) == len({source["name"] for source in sources})


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_says_what_it_is_part_of(overlay: str) -> None:
    for manifest in rendered(overlay):
        labels = manifest["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/part-of") == "icefield", manifest["metadata"]["name"]


def _node_ports(overlay: str) -> dict[str, int]:
    services = of_kind(overlay, "Service")
    return {
        service["metadata"]["name"]: port["nodePort"]
        for service in services
        for port in service["spec"]["ports"]
        if "nodePort" in port
    }


@pytest.mark.parametrize("overlay", ["standalone", "kind"])
def test_node_ports(overlay: str) -> None:
    assert _node_ports(overlay) == {"icefield-apiserver": 30443, "icefield-object-store": 30070}


def test_production_brings_nothing_that_its_owner_has() -> None:
    assert _node_ports("production") == {}
    assert of_kind("production", "StatefulSet") == []


def test_production_survives_a_drained_node() -> None:
    replicas = {d["metadata"]["name"]: d["spec"]["replicas"] for d in of_kind("production", "Deployment")}
    assert replicas == {"icefield-apiserver": 2, "icefield-catalog": 2, "icefield-operator": 2}
    budgets = of_kind("production", "PodDisruptionBudget")
    assert {budget["metadata"]["name"] for budget in budgets} == set(replicas)
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in budgets)


def test_a_rolling_update_of_the_operator_starts_the_next_before_it_ends_the_last() -> None:
    for overlay in OVERLAYS:
        operator = _named(of_kind(overlay, "Deployment"), "icefield-operator")
        assert operator["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_lease_that_the_operator_may_keep_is_its_own(overlay: str) -> None:
    assert [role for role in of_kind(overlay, "ClusterRole") if "leases" in json.dumps(role)] == []
    (rule,) = _named(of_kind(overlay, "Role"), "icefield-operator")["rules"]
    assert rule["resourceNames"] == [Settings.model_fields["lease_name"].default]
    assert sorted(rule["verbs"]) == ["create", "get", "update"]


@pytest.mark.parametrize("overlay", ["standalone", "kind"])
def test_flavors_fit_a_small_node(overlay: str) -> None:
    for flavor in of_kind(overlay, "Flavor"):
        if not flavor["spec"].get("gpu"):
            assert flavor["spec"]["requests"] == {"cpu": "50m", "memory": "128Mi"}


def test_each_volume_of_the_host_is_promised_to_its_claim() -> None:
    claims = {
        f"{template['metadata']['name']}-{workload['metadata']['name']}-0"
        for workload in of_kind("standalone", "StatefulSet")
        for template in workload["spec"]["volumeClaimTemplates"]
    } | {claim["metadata"]["name"] for claim in of_kind("standalone", "PersistentVolumeClaim")}
    assert {volume["spec"]["claimRef"]["name"] for volume in of_kind("standalone", "PersistentVolume")} == claims


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_engines_reach_the_catalog_and_tasks_do_not(overlay: str) -> None:
    """Lakekeeper asks nobody who they are."""
    policy = _named(of_kind(overlay, "NetworkPolicy"), "icefield-catalog")
    catalog = _named(of_kind(overlay, "Deployment"), "icefield-catalog")
    assert (
        policy["spec"]["podSelector"]["matchLabels"].items()
        <= catalog["spec"]["template"]["metadata"]["labels"].items()
    )
    (rule,) = policy["spec"]["ingress"]
    ours, engines = rule["from"]
    assert "namespaceSelector" not in ours
    assert ours["podSelector"]["matchExpressions"][0]["values"] == ["icefield-apiserver", "icefield-operator"]
    (component,) = engines["podSelector"]["matchExpressions"]
    assert component["key"] == labels.COMPONENT
    assert set(component["values"]) == {labels.WAREHOUSE_COMPONENT, labels.EXECUTOR_COMPONENT}
    of_users = (
        labels.of_task_pod("x", "u", "r", "t", 0),
        labels.of_application_executor("x", "r"),
        labels.of_warm_sandbox("x"),
    )
    assert not {each[labels.COMPONENT] for each in of_users} & set(component["values"])
    assert engines["namespaceSelector"]["matchLabels"].items() <= labels.of_workspace_child("x").items()


@pytest.mark.parametrize("overlay", ["kind", "production"])
def test_lakekeeper_is_migrated_before_it_serves(overlay: str) -> None:
    pod = _named(of_kind(overlay, "Deployment"), "icefield-catalog")["spec"]["template"]["spec"]
    migrate, serve = pod["initContainers"][-1], pod["containers"][0]
    assert (migrate["args"], serve["args"]) == (["migrate"], ["serve"])
    assert migrate["image"] == serve["image"]
    assert migrate["env"] == serve["env"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_log_agents_read_the_logs_of_their_node_and_the_operator_knows_them(overlay: str) -> None:
    (agent,) = of_kind(overlay, "DaemonSet")
    template = agent["spec"]["template"]
    assert labels.MANAGED_BY in template["metadata"]["labels"]
    assert template["metadata"]["labels"][labels.COMPONENT] == labels.LOG_AGENT_COMPONENT
    (container,) = template["spec"]["containers"]
    operator = _named(of_kind(overlay, "Deployment"), "icefield-operator")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == operator["image"]
    store = {each["name"] for each in operator["env"] if each["name"].startswith("ICEFIELD_OBJECT_STORE_")}
    assert store < {each["name"] for each in container["env"]}
    logs = _named_mount(container, "pod-logs")
    assert logs["readOnly"]
    volume = _named(of_kind(overlay, "PersistentVolume"), "icefield-pod-logs")
    claim = _named(of_kind(overlay, "PersistentVolumeClaim"), "icefield-pod-logs")
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
    assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"] == ["ReadOnlyMany"]
    role = _named(of_kind(overlay, "ClusterRole"), "icefield-log-agent")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]


def _named_mount(container: Manifest, name: str) -> Manifest:
    (found,) = (mount for mount in container["volumeMounts"] if mount["name"] == name)
    return found


def _named(manifests: list[Manifest], name: str) -> Manifest:
    (found,) = (manifest for manifest in manifests if manifest["metadata"]["name"] == name)
    return found
