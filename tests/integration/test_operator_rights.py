"""The rights that the manifests give the operator are enough to make, keep and remove a workspace, and no more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from icefield_crds import ConditionType, Job, Run, labels
from icefield_crds.names import API_VERSION, SYSTEM_NAMESPACE
from icefield_kube.client import KubeClient
from icefield_kube.errors import Conflict, Forbidden
from icefield_kube.paths import path_of
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.job.build import skipped_event
from icefield_operator.job.due import name_taken
from icefield_operator.leader_election import LeaderElection, Timing
from icefield_operator.run_token import RunTokenSigner
from icefield_operator.sandbox.build import SandboxBuilder, SandboxImages, claim
from icefield_operator.sandbox.tokens import SandboxTokens
from icefield_operator.settings import Settings
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.own_cache import own_slug
from tests.integration.patient import PatientCluster
from tests.object_store import RunningObjectStore

from .workspace_site import Site, config_of, running_operator

pytestmark = pytest.mark.integration


@pytest.fixture
def installed(installed_control_plane: ControlPlane, tmp_path: Path) -> tuple[ControlPlane, Path]:
    """A control plane with the standalone overlay, and a kubeconfig with the operator's own token."""
    plane = installed_control_plane
    token = plane.kubectl("create", "token", "icefield-operator", "-n", SYSTEM_NAMESPACE).strip()
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return plane, kubeconfig


async def test_the_operators_own_rights_are_enough(
    installed: tuple[ControlPlane, Path],
    object_store: RunningObjectStore,
    own_ca: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plane, kubeconfig = installed
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    administrator = await PatientCluster.connect(ClusterCache())
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with running_operator(config_of(object_store), own_ca) as (operator, store, users):

        async def is_bounded() -> bool:
            try:
                await operator.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}})
            except Forbidden:
                return True
            return False

        # An admission policy takes a moment until it holds.
        await eventually(is_bounded)
        site = Site(administrator, plane, store, users, own_slug())
        await site.apply(members=[{"user": "ada@example.org", "role": "editor"}])
        await site.until(ConditionType.READY)
        role = await administrator.get("ClusterRole", None, "icefield-impersonator")
        assert role
        assert f"icefield:{site.slug}:editor" in role["rules"][0]["resourceNames"]
        await _has_a_warehouse(site)
        await _has_a_sandbox(site, operator)
        await _reports_events_of_the_workspace_only(site, operator)
        await store.put(f"workspaces/{site.slug}/left", b"")
        await site.delete()
        assert [key async for key in store.keys("workspaces/")] == []
    await administrator.close()


async def test_the_operator_keeps_its_own_lease_and_no_other(
    installed: tuple[ControlPlane, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane, kubeconfig = installed
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    own, timing = Settings.model_fields["lease_name"].default, Timing.of(10.0)
    async with LeaderElection.open(SYSTEM_NAMESPACE, own, "only", timing) as election:
        stop, leads = asyncio.Event(), asyncio.Event()

        async def lead() -> None:
            leads.set()
            await stop.wait()

        running = asyncio.create_task(election.run(lead, stop))
        await asyncio.wait_for(leads.wait(), 60)
        stop.set()
        await running
    read = ("get", "lease", own, "-n", SYSTEM_NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}")
    assert plane.kubectl(*read) == "", "it was released"

    client = await KubeClient.connect()
    spec = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "another"}}
    for method, name in (("PUT", "another"), ("GET", "another"), ("POST", None), ("DELETE", own)):
        with pytest.raises(Forbidden):
            await client.call(method, path_of("Lease", SYSTEM_NAMESPACE, name), body=spec if name != own else None)
    await client.close()


async def _has_a_sandbox(site: Site, operator: Cluster) -> None:
    """Make a warm sandbox and give it to a run; what runs in it stays what it was made of."""
    tokens = SandboxTokens(RunTokenSigner(Ed25519PrivateKey.generate()))
    builder = SandboxBuilder(SandboxImages("polars", "polars-cloud", "IfNotPresent"), tokens)
    workspace = await site.workspace()
    assert workspace
    pod = await operator.create(builder.warm(workspace, "sandbox-1"))
    polars = {"query": "SELECT 1", "tables": [{"alias": "t", "table": "db.t"}]}
    metadata = {"name": "first", "namespace": site.namespace}
    made = {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": {"polars": polars}}
    run = Run.model_validate(await site.cluster.create(made))
    claimed = await operator.merge_patch("Pod", site.namespace, "sandbox-1", claim(pod, run, workspace, 0))
    assert claimed["metadata"]["ownerReferences"] == [run.owner_reference.to_api()]
    with pytest.raises(Conflict):
        await operator.merge_patch("Pod", site.namespace, "sandbox-1", claim(pod, run, workspace, 0))
    containers = [{**pod["spec"]["containers"][0], "image": "other"}]
    with pytest.raises(Forbidden, match="never changes what a pod runs"):
        await operator.merge_patch("Pod", site.namespace, "sandbox-1", {"spec": {"containers": containers}})
    policies, _ = await site.cluster.list("NetworkPolicy", site.namespace)
    assert {"icefield-sandbox", "icefield-sandbox-cloud"} <= {policy["metadata"]["name"] for policy in policies}


async def _reports_events_of_the_workspace_only(site: Site, operator: Cluster) -> None:
    """Report what a schedule left out, and try the same elsewhere."""
    metadata = {"name": "etl", "namespace": site.namespace}
    spec = {"command": "true", "schedule": "@hourly"}
    made = {"apiVersion": API_VERSION, "kind": "Job", "metadata": metadata, "spec": spec}
    job = Job.model_validate(await site.cluster.create(made))
    now = datetime.now(UTC)
    event = skipped_event(job, name_taken(now, "etl-1").schedule, now)
    await operator.create(event)
    elsewhere = {**event, "metadata": {**event["metadata"], "namespace": "default"}}
    with pytest.raises(Forbidden, match="only in namespaces of workspaces"):
        await operator.create(elsewhere | {"involvedObject": {**event["involvedObject"], "namespace": "default"}})


async def _has_a_warehouse(site: Site) -> None:
    """Have a warehouse with executors made and taken again: an account, a role, a policy and a pod."""
    metadata = {"name": "wide", "namespace": site.namespace}
    spec = {"sparkExecutors": {"max": 2}}
    await site.cluster.create({"apiVersion": API_VERSION, "kind": "Warehouse", "metadata": metadata, "spec": spec})

    async def is_made() -> bool:
        found = await site.cluster.get("Warehouse", site.namespace, "wide")
        pods, _ = await site.cluster.list("Pod", site.namespace, f"{labels.WAREHOUSE}=wide")
        return bool(pods and found and found.get("status", {}).get("phase") == "starting")

    async def is_gone() -> bool:
        kinds = (
            ("ServiceAccount", "icefield-spark"),
            ("RoleBinding", "icefield-spark"),
        )
        pods, _ = await site.cluster.list("Pod", site.namespace, f"{labels.WAREHOUSE}=wide")
        return not pods and not any([await site.cluster.get(kind, site.namespace, name) for kind, name in kinds])

    await eventually(is_made)
    await site.cluster.delete("Warehouse", site.namespace, "wide")
    await eventually(is_gone)
