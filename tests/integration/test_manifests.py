"""The overlays against a real API server: they apply, their pods are admitted, and their roles hold."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from icefield_cluster.commands import CommandError
from icefield_crds import labels, names
from icefield_crds.warehouse import WAKE_ANNOTATION
from tests.controlplane import ControlPlane, running_control_plane
from tests.unit.manifests.rendering import OVERLAYS, REPOSITORY, overlay

pytestmark = pytest.mark.integration

SYSTEM = names.SYSTEM_NAMESPACE
SERVICE_ACCOUNT = f"system:serviceaccount:{SYSTEM}:"
DRIVER = SERVICE_ACCOUNT.replace(SYSTEM, "icefield-demo") + "icefield-spark"
APPLICATION_DRIVER = f"{DRIVER}-application"
IMPERSONATOR = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {names.IMPERSONATOR_CLUSTER_ROLE}
rules:
  - apiGroups: [""]
    resources: [users]
    verbs: [impersonate]
    resourceNames: ["icefield:demo:editor", "icefield:demo:viewer"]
  - apiGroups: [authentication.k8s.io]
    resources: [userextras/{names.PERSON_EXTRA}]
    verbs: [impersonate]
"""
JOB = {
    "apiVersion": names.API_VERSION,
    "kind": "Job",
    "metadata": {"name": "hello"},
    "spec": {"command": "true"},
}


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds, for at most half a minute."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.2)


def refused(plane: ControlPlane, user: str, *arguments: str, stdin: str | None = None) -> str:
    """Return why a user is refused something; an empty string when it would be allowed."""
    try:
        plane.kubectl("--as", user, *arguments, "--dry-run=server", stdin=stdin)
    except CommandError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A control plane of its own with what a dry run needs to be there: the definitions, and the namespace."""
    with running_control_plane() as plane:
        plane.apply_crds()
        namespace = f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {SYSTEM}\n"
        plane.kubectl("apply", "--server-side", "--filename=-", stdin=namespace)
        yield plane


@pytest.fixture(scope="module")
def installed() -> Iterator[ControlPlane]:
    """A control plane of its own: the standalone overlay, and a namespace made by the operator's account."""
    with running_control_plane() as plane:
        plane.apply_crds()
        for _ in range(2):  # the second time must not change who owns what
            plane.kubectl("apply", "--server-side", "-k", str(overlay("standalone")))
        operator = ("--as", SERVICE_ACCOUNT + "icefield-operator")
        eventually(
            "the write boundary is active",
            lambda: "writes only" in refused(plane, operator[1], "create", "namespace", "elsewhere"),
        )
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "icefield-demo"}}
        namespace["metadata"]["labels"] = labels.of_workspace_child("demo")  # type: ignore[index]
        plane.kubectl(*operator, "create", "--filename=-", stdin=json.dumps(namespace))
        bound = {f"icefield-{role}": [names.impersonated_user("demo", role)] for role in ("viewer", "editor")}
        for name, users in {**bound, "icefield-spark-driver": [DRIVER, APPLICATION_DRIVER]}.items():
            binding = ("create", "rolebinding", name, f"--clusterrole={name}", *(f"--user={user}" for user in users))
            plane.kubectl(*operator, "--namespace", "icefield-demo", *binding)
        of_api_server = f"--serviceaccount={SYSTEM}:{names.API_SERVER_ACCOUNT}"
        role = f"--clusterrole={names.API_SERVER_WORKSPACE_ROLE}"
        plane.kubectl(
            *operator, "--namespace=icefield-demo", "create", "rolebinding", "of-apiserver", role, of_api_server
        )
        plane.kubectl(*operator, *_as_operator_applies(), stdin=IMPERSONATOR)
        yield plane


def _as_operator_applies() -> tuple[str, ...]:
    return ("apply", "--server-side", f"--field-manager={names.FIELD_MANAGER}", "--filename=-")


class ApiServerAccount:
    """Speaks to Kubernetes with the service account of Icefield's API server."""

    def __init__(self, plane: ControlPlane) -> None:
        cluster = yaml.safe_load(Path(plane.kubeconfig).read_text())["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        token = plane.kubectl("--namespace", SYSTEM, "create", "token", "icefield-apiserver").strip()
        self._client = httpx.Client(
            base_url=plane.url,
            verify=ssl.create_default_context(cadata=authority),
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=False,
        )

    def create_job(self, **impersonate: str) -> int:
        """Try to create a job, without keeping it; return the status code."""
        return self._client.post(
            f"/apis/{names.API_VERSION}/namespaces/icefield-demo/jobs?dryRun=All",
            json=JOB,
            headers={f"Impersonate-{key.capitalize()}": value for key, value in impersonate.items()}
            | {f"Impersonate-Extra-{names.PERSON_EXTRA.replace('/', '%2F')}": "ada@example.com"},
        ).status_code

    def get(self, path: str) -> int:
        """Read as itself; return the status code."""
        return self._client.get(path).status_code


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_passes_a_server_side_dry_run(bare: ControlPlane, name: str) -> None:
    answer = bare.kubectl("apply", "--server-side", "--dry-run=server", "-k", str(overlay(name)))
    assert answer.count("serverside-applied (server dry run)") == len(answer.splitlines()) > 30


def test_every_workload_gets_its_pod(installed: ControlPlane) -> None:
    """Pod Security admits them: a pod refused by it would never be made."""
    expected = {f"icefield-{name}" for name in ("operator", "apiserver", "postgres", "object-store", "catalog")}
    path = r"jsonpath={.items[*].metadata.labels.app\.kubernetes\.io/name}"

    def made() -> set[str]:
        return set(installed.kubectl("--namespace", SYSTEM, "get", "pods", "--output", path).split())

    eventually("five pods", lambda: made() == expected)


def test_claims_are_bound_to_the_hosts_folders(installed: ControlPlane) -> None:
    path = "jsonpath={range .items[*]}{.metadata.name}={.spec.volumeName}={.status.phase} {end}"

    def claims() -> set[str]:
        return set(installed.kubectl("--namespace", SYSTEM, "get", "pvc", "--output", path).split())

    expected = {f"data-{name}-0={name}=Bound" for name in ("icefield-postgres", "icefield-object-store")}
    expected.add("icefield-pod-logs=icefield-pod-logs=Bound")
    eventually("every claim bound", lambda: claims() == expected)


CREATE_ROLE = ("create", "clusterrole", "--resource=workspaces.icefield.dev")
ADMIN_ROLE = names.workspace_admin_role("demo")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("create", "namespace", "elsewhere"), "writes only in namespaces of workspaces"),
        (("delete", "namespace", "icefield-system"), "writes only in namespaces of workspaces"),
        (("create", "configmap", "x", "--namespace=icefield-system"), "writes only in namespaces of workspaces"),
        (("create", "secret", "generic", "x", "--namespace=default"), "writes only in namespaces of workspaces"),
        (
            ("create", "rolebinding", "x", "--namespace=icefield-demo", "--clusterrole=cluster-admin", "--user=x"),
            "attempting to grant RBAC permissions not currently held",
        ),
        ((*CREATE_ROLE, "x", "--verb=get"), "the operator writes icefield-impersonator and icefield:workspace:"),
        ((*CREATE_ROLE, ADMIN_ROLE, "--verb=get"), "is about the one Workspace that it is called after"),
        (
            (*CREATE_ROLE, ADMIN_ROLE, "--verb=get", "--resource-name=other"),
            "is about the one Workspace that it is called",
        ),
        ((*CREATE_ROLE, ADMIN_ROLE, "--verb=delete", "--resource-name=demo"), "permissions not currently held"),
        ((*CREATE_ROLE, ADMIN_ROLE, "--verb=get", "--resource-name=demo"), ""),
        (("delete", "clusterrole", "icefield-viewer"), "cannot delete resource"),
        (("label", "clusterrole", "icefield-viewer", "a=b"), "the operator writes icefield-impersonator"),
        (
            ("create", "clusterrolebinding", ADMIN_ROLE, "--clusterrole=icefield-operator", "--user=x"),
            "binds the role of its own name",
        ),
        (("create", "configmap", "x", "--namespace=icefield-demo"), ""),
    ],
)
def test_the_operator_stays_in_workspaces(installed: ControlPlane, arguments: tuple[str, ...], why: str) -> None:
    answer = refused(installed, SERVICE_ACCOUNT + "icefield-operator", *arguments)
    assert why in answer
    assert bool(why) == bool(answer)


def test_the_operator_writes_metadata_and_no_spec(installed: ControlPlane) -> None:
    run = {"kind": "Run", "apiVersion": names.API_VERSION, "metadata": {"name": "hello"}, "spec": {"command": "true"}}
    installed.kubectl("--namespace", "icefield-demo", "apply", "--server-side", "-f", "-", stdin=json.dumps(run))
    installed.kubectl("apply", "--server-side", "-f", str(REPOSITORY / "manifests" / "examples" / "workspace.yaml"))
    patch = ("--namespace=icefield-demo", "patch", "--type=merge", "--patch")
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": "Job",
        "name": "hello",
        "uid": "8a4a8a4e-0000-4000-8000-000000000000",
    }
    operator = SERVICE_ACCOUNT + "icefield-operator"
    for target in ("run/hello", "workspace/demo"):
        metadata = json.dumps({"metadata": {"finalizers": [names.WORKSPACE_FINALIZER], "ownerReferences": [owner]}})
        assert refused(installed, operator, *patch, metadata, target) == ""
    for target, spec in (("run/hello", {"desiredState": "cancelled"}), ("workspace/demo", {"displayName": "Other"})):
        answer = refused(installed, operator, *patch, json.dumps({"spec": spec}), target)
        assert "The operator never writes a spec" in answer


@pytest.fixture
def generous(installed: ControlPlane) -> Iterator[Callable[[str, object], str]]:
    """RBAC that lets the operator patch every kind; returns why it is refused a patch of a job or a flavor still."""
    operator = SERVICE_ACCOUNT + "icefield-operator"
    job = json.dumps({**JOB, "metadata": {"name": "bounded", "namespace": "icefield-demo"}})
    installed.kubectl("apply", "--server-side", "--filename=-", stdin=job)
    kinds = "--resource=jobs.icefield.dev,flavors.icefield.dev"
    installed.kubectl("create", "clusterrole", "generous", "--verb=patch", kinds)
    installed.kubectl("create", "clusterrolebinding", "generous", "--clusterrole=generous", f"--user={operator}")

    def answer(target: str, body: object) -> str:
        patch = ("--namespace=icefield-demo", "patch", "--type=merge", "--patch", json.dumps(body))
        return refused(installed, operator, *patch, target)

    yield answer
    installed.kubectl("delete", "clusterrolebinding/generous", "clusterrole/generous")


@pytest.mark.parametrize(
    ("target", "spec"),
    [("job.icefield.dev/bounded", {"command": "false"}), ("flavor.icefield.dev/cpu.2", {"pricePerHour": 1})],
)
def test_the_operator_writes_no_spec_of_any_kind_whatever_rbac_allows(
    generous: Callable[[str, object], str], target: str, spec: object
) -> None:
    eventually("RBAC allows it", lambda: generous(target, {"metadata": {"labels": {"a": "b"}}}) == "")
    assert "The operator never writes a spec" in generous(target, {"spec": spec})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("resources: [users]", "resources: [users, groups]"),
        ('"icefield:demo:editor"', "system:admin"),
        ("verbs: [impersonate]", "verbs: ['*']"),
        ("userextras/icefield.dev/person", "secrets"),
        ('    resourceNames: ["icefield:demo:editor", "icefield:demo:viewer"]\n', ""),
    ],
)
def test_the_operators_role_allows_impersonation_of_our_users_only(installed: ControlPlane, old: str, new: str) -> None:
    widened = IMPERSONATOR.replace(old, new)
    assert widened != IMPERSONATOR
    operator = SERVICE_ACCOUNT + "icefield-operator"
    assert "may allow only the impersonation" in refused(installed, operator, *_as_operator_applies(), stdin=widened)


def test_the_api_server_itself_only_wakes_warehouses(installed: ControlPlane) -> None:
    examples = REPOSITORY / "manifests" / "examples"
    installed.kubectl("apply", "--server-side", "-f", str(examples / "warehouse.yaml"))
    account = SERVICE_ACCOUNT + "icefield-apiserver"
    target = ("--namespace=icefield-demo", "warehouse/analytics")

    def answer(patch: object, kind: str = "merge") -> str:
        return refused(installed, account, "patch", f"--type={kind}", "--patch", json.dumps(patch), *target)

    wake = {"metadata": {"annotations": {WAKE_ANNOTATION: "2026-01-01T00:00:00Z"}}}
    eventually("it wakes", lambda: answer(wake) == "")
    installed.kubectl("annotate", "--namespace=icefield-demo", "warehouse/analytics", f"{WAKE_ANNOTATION}=x", "mine=1")
    assert answer(wake) == ""
    assert answer({"metadata": {"annotations": {WAKE_ANNOTATION: None}}}) == ""
    for more in (
        {"spec": {"desiredState": "stopped"}},
        {"metadata": {"annotations": {"other": "1"}}},
        {"metadata": {"annotations": {"mine": None}}},
        {"metadata": {"annotations": {"mine": "2"}}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"finalizers": ["icefield.dev/x"]}},
    ):
        assert "nothing of a warehouse but the annotation" in answer({**wake, **more}), more
    assert "cannot delete" in refused(installed, account, "delete", *target)


def test_a_spark_driver_makes_executors_only(installed: ControlPlane) -> None:
    driver = DRIVER

    def answer(spec: dict[str, object] | None = None, **changes: object) -> str:
        container = {"name": "spark", "image": "x", "envFrom": [{"secretRef": {"name": names.OBJECT_STORE_SECRET}}]}
        volumes = [{"name": "a", "emptyDir": {}}]
        good = {"containers": [container], "automountServiceAccountToken": False, "volumes": volumes}
        metadata = {"name": "exec-1", "labels": labels.of_executor_pod("demo", "analytics")}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**good, **(spec or {})}}
        return refused(
            installed, driver, "create", "-n", "icefield-demo", "-f", "-", stdin=json.dumps({**pod, **changes})
        )

    installed.kubectl("create", "serviceaccount", "icefield-task", "--namespace=icefield-demo")
    eventually("it makes executors", lambda: answer() == "")
    assert "executors only" in answer(metadata={"name": "mine", "labels": {"app": "mine"}})
    assert "no token" in answer(spec={"serviceAccountName": "icefield-task"})
    assert "no token" in answer(spec={"automountServiceAccountToken": True})
    assert "no Secret" in answer(spec={"volumes": [{"name": "a", "secret": {"secretName": "others"}}]})
    stolen = {"name": "x", "image": "x", "envFrom": [{"secretRef": {"name": names.WAREHOUSE_TOKEN_SECRET}}]}
    assert "no Secret" in answer(spec={"containers": [stolen]})
    configuration = ("create", "configmap", "--namespace=icefield-demo")
    assert refused(installed, driver, *configuration, "spark-exec-1-conf-map") == ""
    assert "executors only" in refused(installed, driver, *configuration, "mine")
    assert "cannot create" in refused(
        installed, driver, "create", "secret", "generic", "x", "--namespace=icefield-demo"
    )
    assert "executors only" in refused(installed, driver, "delete", "configmap/kube-root-ca.crt", "-n", "icefield-demo")


def _making_a_pod(plane: ControlPlane, user: str, labels: dict[str, str], secret: str | None = None) -> str:
    """Return why a user is refused to make a pod with these labels and this Secret."""
    container = {"name": "spark", "image": "x", "envFrom": [{"secretRef": {"name": secret}}] if secret else []}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "exec-", "labels": labels},
        "spec": {"containers": [container], "automountServiceAccountToken": False},
    }
    return refused(plane, user, "create", "-n", "icefield-demo", "-f", "-", stdin=json.dumps(pod))


OF_APPLICATION = labels.of_application_executor("demo", "nightly")
OF_WAREHOUSE = labels.of_executor_pod("demo", "analytics")


def test_a_spark_driver_gives_executors_what_it_has_itself(installed: ControlPlane) -> None:
    def of_application(secret: str) -> str:
        return _making_a_pod(installed, APPLICATION_DRIVER, OF_APPLICATION, secret)

    def of_warehouse(secret: str) -> str:
        return _making_a_pod(installed, DRIVER, OF_WAREHOUSE, secret)

    eventually("applications make executors", lambda: of_application(names.OBJECT_STORE_SECRET) == "")
    assert of_application(names.ENVIRONMENT_SECRET) == ""
    assert "no Secret" in of_application(names.CATALOG_SECRET)
    assert of_warehouse(names.CATALOG_SECRET) == ""
    assert "no Secret" in of_warehouse(names.ENVIRONMENT_SECRET)


def test_no_pod_of_an_application_has_the_labels_that_the_catalog_and_warehouses_admit(installed: ControlPlane) -> None:
    eventually(
        "applications make executors", lambda: _making_a_pod(installed, APPLICATION_DRIVER, OF_APPLICATION) == ""
    )
    of_a_warehouse = {labels.WAREHOUSE: "analytics"}
    for stolen in (OF_WAREHOUSE, labels.of_warehouse_pod("demo", "analytics"), OF_APPLICATION | of_a_warehouse):
        answer = _making_a_pod(installed, APPLICATION_DRIVER, stolen)
        # Two policies refuse it, and which of them answers is not defined.
        assert "executors only" in answer or "by the warehouse's own Spark only" in answer
    assert "executors only" in _making_a_pod(installed, DRIVER, OF_APPLICATION)


def test_who_may_make_pods_in_a_workspace_cannot_give_them_the_labels_of_an_engine(installed: ControlPlane) -> None:
    administrator = "kubernetes-admin"
    binding = ("create", "clusterrolebinding", "pods-everywhere", "--clusterrole=edit", f"--user={administrator}")
    installed.kubectl(*binding)
    of_an_engine = "given by the operator"
    stolen = (OF_WAREHOUSE, labels.of_warehouse_pod("demo", "analytics"), {labels.WAREHOUSE: "analytics"})
    eventually("pods are made", lambda: _making_a_pod(installed, administrator, {"app": "mine"}) == "")
    for each in stolen:
        eventually("it is refused", lambda each=each: of_an_engine in _making_a_pod(installed, administrator, each))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine", "namespace": "icefield-demo"}}
    container = {"name": "x", "image": "x"}
    installed.kubectl("create", "-f", "-", stdin=json.dumps(pod | {"spec": {"containers": [container]}}))
    relabel = ("label", "pod/mine", "--namespace=icefield-demo")
    assert refused(installed, administrator, *relabel, "app=mine") == ""
    assert of_an_engine in refused(installed, administrator, *relabel, f"{labels.COMPONENT}=warehouse")
    operator = SERVICE_ACCOUNT + "icefield-operator"
    assert _making_a_pod(installed, operator, labels.of_warehouse_pod("demo", "analytics")) == ""


def test_applying_again_leaves_the_operators_rules(installed: ControlPlane) -> None:
    installed.kubectl("apply", "--server-side", "-k", str(overlay("standalone")))
    role = installed.kubectl("get", "clusterrole", names.IMPERSONATOR_CLUSTER_ROLE, "--output", "yaml")
    assert "icefield:demo:editor" in role


def test_the_api_server_acts_only_as_those_it_may_impersonate(installed: ControlPlane) -> None:
    account = ApiServerAccount(installed)
    # RBAC learns of a new binding through a watch of its own.
    eventually("editors create jobs", lambda: account.create_job(user="icefield:demo:editor") == httpx.codes.CREATED)
    assert account.create_job(user="icefield:demo:viewer") == httpx.codes.FORBIDDEN
    assert account.create_job(user="icefield:other:editor") == httpx.codes.FORBIDDEN
    assert account.create_job(user="icefield:demo:editor", group="system:masters") == httpx.codes.FORBIDDEN
    assert account.create_job(user="kubernetes-admin") == httpx.codes.FORBIDDEN
    # The first read of a kind may be refused with 429 while its watch cache fills.
    eventually("it reads runs", lambda: account.get(f"/apis/{names.API_VERSION}/runs") == httpx.codes.OK)


API_SERVER_READS = {
    ("list", "pods"): True,
    ("get", "pods/log"): True,
    ("get", f"secrets/{names.OBJECT_STORE_SECRET}"): True,
    ("get", f"secrets/{names.CATALOG_SECRET}"): True,
    ("get", "secrets/others"): False,
    ("list", "secrets"): False,
    ("watch", "pods"): False,
    ("create", "pods"): False,
    ("create", "pods/exec"): False,
    ("delete", "pods"): False,
}


@pytest.mark.parametrize(("verb", "resource"), API_SERVER_READS)
def test_the_api_server_reads_pods_and_secrets_in_workspaces_only(
    installed: ControlPlane, verb: str, resource: str
) -> None:
    def may(*where: str) -> bool:
        kind, _, subresource = resource.partition("/") if resource.startswith("pods/") else (resource, "", "")
        question = ("auth", "can-i", verb, kind, *where, *([f"--subresource={subresource}"] if subresource else []))
        try:
            answer = installed.kubectl("--as", SERVICE_ACCOUNT + names.API_SERVER_ACCOUNT, *question)
        except CommandError as error:  # `no` has the exit code 1
            answer = str(error)
        return "yes" in answer.split()

    eventually("as it should be", lambda: may("--namespace=icefield-demo") == API_SERVER_READS[verb, resource])
    for elsewhere in ("--namespace=kube-system", f"--namespace={SYSTEM}", "--all-namespaces"):
        assert not may(elsewhere)
