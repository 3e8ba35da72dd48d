"""Workspaces against a real API server and a real object store: made whole, kept apart, and removed without a trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from icefield_cluster.commands import CommandError
from icefield_crds import ConditionType
from icefield_crds.names import SYSTEM_NAMESPACE, WORKSPACE_FINALIZER, workspace_admin_role
from icefield_kube.client import Manifest
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.own_cache import own_slug
from tests.object_store import REGION, RunningObjectStore

from .workspace_site import Site, config_of, running_operator

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("impersonator")]


@pytest.fixture
def plane(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    """The control plane, with our kinds, as the one that clients find."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    return control_plane


Sites = Callable[[], AbstractAsyncContextManager[Site]]


@pytest.fixture
def sites(plane: ControlPlane, object_store: RunningObjectStore, own_ca: Path) -> Sites:
    """A maker of a running operator and the name of a workspace that nobody has.

    No fixture holds it open: kopf, when it ends, cancels every task that began after it, a fixture's end included.
    """

    @asynccontextmanager
    async def make() -> AsyncIterator[Site]:
        async with running_operator(config_of(object_store), own_ca) as (cluster, store, users):
            yield Site(cluster, plane, store, users, own_slug())

    return make


async def test_variables_for_tasks_stay_as_people_set_them(sites: Sites) -> None:
    async with sites() as site:
        await site.apply()
        await site.until(ConditionType.READY)
        assert await site.environment("icefield-environment") == {}
        arguments = ("secret", "icefield-environment", "-n", site.namespace, "--type=merge")
        patch = '{"data": {"A": "MQ=="}, "metadata": {"annotations": {"icefield.dev/environment": "{}"}}}'
        await asyncio.to_thread(site.plane.kubectl, "patch", *arguments, "-p", patch)
        await site.cluster.delete("ConfigMap", site.namespace, "icefield-ca")
        await site.annotate("mark", "again")
        await eventually(lambda: site.cluster.get("ConfigMap", site.namespace, "icefield-ca"))
        await site.until(ConditionType.READY)
        assert await site.environment("icefield-environment") == {"A": "1"}
        secret = await site.cluster.get("Secret", site.namespace, "icefield-environment")
        assert secret
        assert "icefield.dev/environment" in secret["metadata"]["annotations"]


async def test_a_workspace_gets_everything(sites: Sites, own_ca: Path) -> None:
    async with sites() as site:
        await site.apply(members=[{"user": "ada@example.org", "role": "editor"}])
        workspace = await site.until(ConditionType.READY)
        assert workspace.status
        assert workspace.status.namespace == site.namespace
        assert workspace.metadata.finalizers == [WORKSPACE_FINALIZER]

        namespace = await site.cluster.get("Namespace", None, site.namespace)
        assert namespace
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        bundle = await site.cluster.get("ConfigMap", site.namespace, "icefield-ca")
        assert bundle
        assert bundle["data"]["ca-bundle.crt"].count("BEGIN CERTIFICATE") > 50
        assert bundle["data"]["ca-bundle.crt"].endswith(await asyncio.to_thread(own_ca.read_text))
        for kind, name in (
            ("ServiceAccount", "icefield-task"),
            ("ServiceAccount", "default"),
            ("NetworkPolicy", "icefield-workspace"),
            ("NetworkPolicy", "icefield-sandbox"),
            ("RoleBinding", "icefield-viewer"),
            ("RoleBinding", "icefield-editor"),
            ("RoleBinding", "icefield-admin"),
            ("RoleBinding", "icefield-apiserver-workspace"),
        ):
            assert await site.cluster.get(kind, site.namespace, name), name

        environment = await site.environment()
        credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        own = ObjectStoreConfig(
            Provider.STATIC, environment["AWS_ENDPOINT_URL"], REGION, site.store.config.bucket, credentials
        )
        async with ObjectStore.open(own) as store:
            await store.put(f"{environment['ICEFIELD_PREFIX']}/mine", b"1")
            assert [key async for key in store.keys(f"{environment['ICEFIELD_PREFIX']}/")] == [
                f"workspaces/{site.slug}/mine"
            ]


async def test_a_further_pass_brings_back_what_is_missing_and_writes_nothing_else(sites: Sites) -> None:
    async with sites() as site:
        kinds = ("ConfigMap", "RoleBinding", "NetworkPolicy", "ServiceAccount")

        async def versions() -> dict[str, str]:
            found = [item for kind in kinds for item in (await site.cluster.list(kind, site.namespace))[0]]
            found += [await site.cluster.get("Namespace", None, site.namespace) or {}]
            ours = [item for item in found if item["metadata"]["name"] != "kube-root-ca.crt"]
            return {f"{item['kind']} {item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in ours}

        async def further_pass(mark: str) -> dict[str, str]:
            # The Secret is the last that a pass writes, so what comes before has been gone over when it is back.
            await site.cluster.delete("Secret", site.namespace, "icefield-object-store")
            await site.annotate("mark", mark)
            await eventually(lambda: site.cluster.get("Secret", site.namespace, "icefield-object-store"))
            return await versions()

        await site.apply()
        await site.until(ConditionType.READY)
        environment = await site.environment()
        # Kubernetes itself has its say about the default service account first.
        before = await further_pass("first")
        assert len(before) == 11
        assert await further_pass("second") == before
        assert await site.environment() == environment


async def test_a_namespace_deleted_by_hand_shows_at_once_and_is_made_again(sites: Sites) -> None:
    async with sites() as site:
        await site.apply()
        await site.until(ConditionType.READY)
        before = await site.cluster.get("Namespace", None, site.namespace)
        assert before
        blocker: Manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "blocker", "namespace": site.namespace, "finalizers": ["example.org/wait"]},
        }
        await site.cluster.create(blocker)
        await asyncio.to_thread(site.plane.kubectl, "delete", "namespace", site.namespace, "--wait=false")
        workspace = await site.until(ConditionType.RECONCILING)
        assert workspace.status
        ready = workspace.status.condition(ConditionType.READY)
        assert ready
        assert (ready.status, ready.reason) == ("False", "NamespaceDeleted")
        assert f"namespace {site.namespace} was deleted" in ready.message
        await site.cluster.merge_patch("ConfigMap", site.namespace, "blocker", {"metadata": {"finalizers": None}})
        await site.until(ConditionType.READY)
        after = await site.cluster.get("Namespace", None, site.namespace)
        assert after
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert await site.environment("icefield-object-store")


async def test_a_network_policy_deleted_by_hand_is_made_again(sites: Sites) -> None:
    async with sites() as site:
        await site.apply()
        await site.until(ConditionType.READY)
        for kind, name in (("NetworkPolicy", "icefield-workspace"), ("RoleBinding", "icefield-viewer")):
            await asyncio.to_thread(site.plane.kubectl, "delete", kind, name, "-n", site.namespace)
            await eventually(lambda kind=kind, name=name: site.cluster.get(kind, site.namespace, name))


async def test_a_namespace_of_somebody_else_is_left_alone(sites: Sites) -> None:
    async with sites() as site:
        mine: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": site.namespace}}
        before = await site.cluster.create(mine)
        await site.apply()
        workspace = await site.until(ConditionType.STALLED)
        assert workspace.status
        condition = workspace.status.condition(ConditionType.STALLED)
        assert condition
        assert condition.reason == "NamespaceTaken"
        assert workspace.metadata.finalizers == []
        await site.delete()
        after = await site.cluster.get("Namespace", None, site.namespace)
        assert after
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        assert (await site.cluster.list("Secret", site.namespace))[0] == []


async def test_a_deleted_workspace_leaves_nothing(sites: Sites) -> None:
    async with sites() as site:
        other = f"{site.slug}x"
        await site.apply()
        await site.apply(other)
        await site.until(ConditionType.READY)
        await site.until(ConditionType.READY, other)
        environment = await site.environment()
        for slug in (site.slug, other):
            await site.store.put(f"workspaces/{slug}/table/data", b"1")
            await site.store.put(f"logs/{slug}/run/main/0/000000.jsonl.gz", b"1")
        await asyncio.gather(*(site.store.put(f"workspaces/{site.slug}/many/{n}", b"") for n in range(1100)))
        await site.delete()
        assert await site.cluster.get("Namespace", None, site.namespace) is None
        left = [key async for key in site.store.keys("") if site.slug in key]
        assert left == [
            f"logs/{other}/run/main/0/000000.jsonl.gz",
            f"owners/{other}.json",
            f"workspaces/{other}/table/data",
        ]
        assert site.slug not in (await site.store.policy() or "").replace(other, "")
        role = await site.cluster.get("ClusterRole", None, "icefield-impersonator")
        assert role
        assert f"icefield:{site.slug}:viewer" not in role["rules"][0]["resourceNames"]
        assert f"icefield:{other}:viewer" in role["rules"][0]["resourceNames"]
        # A namesake gets credentials of its own.
        await site.apply()
        await site.until(ConditionType.READY)
        assert (await site.environment())["AWS_SECRET_ACCESS_KEY"] != environment["AWS_SECRET_ACCESS_KEY"]


async def test_a_store_that_is_away_delays_a_workspace_and_cannot_hold_back_its_end(
    plane: ControlPlane, own_ca: Path
) -> None:
    away = ObjectStoreConfig(Provider.VERSITYGW, "http://127.0.0.1:1", REGION, "lake", Credentials("a", "b"))
    async with running_operator(away, own_ca, timedelta(seconds=3)) as (cluster, store, users):
        site = Site(cluster, plane, store, users, own_slug())
        await site.apply()
        workspace = await site.until(ConditionType.RECONCILING)
        assert workspace.status
        condition = workspace.status.condition(ConditionType.READY)
        assert condition
        assert condition.reason == "ObjectStoreUnavailable"
        await site.delete()
        events, _ = await cluster.list("Event", "default")
        told_left = [event for event in events if event["involvedObject"].get("name") == site.slug]
        assert [event["reason"] for event in told_left] == ["CleanupIncomplete"]


async def test_data_that_is_retained_is_used_by_a_namesake_only_when_it_says_so(sites: Sites) -> None:
    async with sites() as site:
        await site.apply(deletionPolicy="Retain")
        first = await site.until(ConditionType.READY)
        await site.store.put(f"workspaces/{site.slug}/table/data", b"1")
        await site.delete()
        assert site.slug not in (await site.store.policy() or "")

        await site.apply()
        second = await site.until(ConditionType.STALLED)
        assert second.status
        ready = second.status.condition(ConditionType.READY)
        assert ready
        assert (ready.status, ready.reason) == ("False", "DataLeftBehind")
        assert f"(uid {first.metadata.uid}) is left (retained as its deletionPolicy said)" in ready.message
        assert await site.cluster.get("Secret", site.namespace, "icefield-object-store") is None
        await site.delete()
        assert await site.store.get(f"workspaces/{site.slug}/table/data") == b"1", "it was not the second one's"

        await site.apply(adoptDataOf=first.metadata.uid)
        third = await site.until(ConditionType.READY)
        assert third.metadata.uid != first.metadata.uid
        assert await site.environment("icefield-object-store")
        await site.delete()
        assert [key async for key in site.store.keys("") if site.slug in key] == []


async def test_what_an_older_version_left_is_not_used(sites: Sites) -> None:
    async with sites() as site:
        await site.store.ensure_bucket()
        await site.store.put(f"logs/{site.slug}/run/main/0/000000.jsonl.gz", b"1")
        await site.apply()
        workspace = await site.until(ConditionType.STALLED)
        assert workspace.status
        ready = workspace.status.condition(ConditionType.READY)
        assert ready
        assert "data of an unknown workspace is left" in ready.message
        await site.store.delete_some(f"logs/{site.slug}/")
        await site.store.delete_some(f"owners/{site.slug}.json")
        await site.annotate("mark", "again")
        await site.until(ConditionType.READY)


async def test_supplied_credentials_are_passed_on(
    plane: ControlPlane, object_store: RunningObjectStore, own_ca: Path
) -> None:
    config = config_of(object_store, Provider.STATIC)
    async with running_operator(config, own_ca) as (cluster, store, users):
        site = Site(cluster, plane, store, users, own_slug())
        await site.apply()
        workspace = await site.until(ConditionType.STALLED)
        assert workspace.status
        condition = workspace.status.condition(ConditionType.STALLED)
        assert condition
        assert "credentialsSecret" in condition.message
        system: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
        await cluster.apply(system)
        supplied: Manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"keys-{site.slug}", "namespace": SYSTEM_NAMESPACE},
            "stringData": {"accessKeyId": "their-id", "secretAccessKey": "their-key"},
        }
        await cluster.create(supplied)
        await site.apply(objectStore={"credentialsSecret": f"keys-{site.slug}"})
        await site.until(ConditionType.READY)
        environment = await site.environment()
        assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) == ("their-id", "their-key")
        await site.delete()


async def test_the_api_server_may_act_as_the_roles_of_workspaces_and_as_nobody_else(sites: Sites) -> None:
    async with sites() as site:
        await site.apply()
        await site.until(ConditionType.READY)
        account = f"api-{site.slug}"
        kubectl = site.plane.kubectl
        kubectl("create", "serviceaccount", account, "-n", "default")
        kubectl(
            "create",
            "clusterrolebinding",
            account,
            "--clusterrole=icefield-impersonator",
            f"--serviceaccount=default:{account}",
        )
        token = kubectl("create", "token", account, "-n", "default").strip()

        def answer(**impersonated: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            headers |= {f"Impersonate-{name.replace('_', '-')}": value for name, value in impersonated.items()}
            review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            url = f"{site.plane.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
            return httpx.post(url, json=review, headers=headers, verify=False)  # noqa: S501 - a server on the loopback device

        editor = f"icefield:{site.slug}:editor"
        person = {"Extra_icefield.dev%2Fperson": "ada@example.org"}
        accepted = answer(User=editor, **person)
        assert accepted.status_code == 201, accepted.text
        user = accepted.json()["status"]["userInfo"]
        assert user["username"] == editor
        assert user["extra"] == {"icefield.dev/person": ["ada@example.org"]}
        assert answer(User="icefield:platform:admin", **person).status_code == 201
        assert answer(User=editor, Group="system:masters").status_code == 403
        assert answer(User=editor, Extra_other="x").status_code == 403
        assert answer(User=editor, Uid="1").status_code == 403
        assert answer(User="system:admin").status_code == 403
        assert answer(User="icefield:nowhere:editor").status_code == 403
        assert answer(User="ada@example.org").status_code == 403


async def test_its_administrators_read_it_and_change_its_members_by_kubectl(sites: Sites) -> None:
    async with sites() as site:
        await site.apply(
            members=[{"user": "ann@example.org", "role": "admin"}, {"user": "ed@example.org", "role": "editor"}]
        )
        await site.until(ConditionType.READY)

        def kubectl(person: str, *arguments: str, target: str = site.slug) -> str:
            """Return what kubectl prints; what it was refused with, where it was."""
            try:
                return site.plane.kubectl("--as", person, *arguments, f"workspaces.icefield.dev/{target}")
            except CommandError as error:
                return str(error)

        def patch(body: object, person: str = "ann@example.org") -> str:
            return kubectl(person, "patch", "--type=merge", "--patch", json.dumps(body))

        assert site.slug in kubectl("ann@example.org", "get")
        for person, target in (("ed@example.org", site.slug), ("ann@example.org", "demo")):
            assert "Forbidden" in kubectl(person, "get", target=target)
        members = [{"user": "ann@example.org", "role": "admin"}, {"user": "bob@example.org", "role": "viewer"}]
        assert "Forbidden" in patch({"spec": {"members": members}}, "ed@example.org")
        assert "patched" in patch({"spec": {"members": members}})
        grant = {"group": "analysts", "database": "sales", "privileges": ["SELECT"]}
        granted = {"grants": [grant], "groups": [{"name": "analysts", "members": ["bob@example.org"]}]}
        assert "Forbidden" in patch({"spec": granted}, "ed@example.org")
        assert "patched" in patch({"spec": granted})
        nobody = {"spec": {"grants": [{"database": "sales", "privileges": ["SELECT"]}]}}
        assert "a grant is for a user or for a group" in patch(nobody)
        for spec in ({"quotas": {"maxRunningRuns": 9999}}, {"deletionPolicy": "Retain"}, {"adoptDataOf": "x"}):
            assert "the rest is the platform team" in patch({"spec": spec})
        owner = {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "8a4a8a4e-0000-4000-8000-000000000000"}
        for metadata in (
            {"ownerReferences": [owner]},
            {"finalizers": None},
            {"labels": {"a": "b"}},
            {"annotations": {"a": "b"}},
        ):
            assert "do not change its metadata" in patch({"metadata": metadata})
        assert "Forbidden" in kubectl("ann@example.org", "delete")

        async def is_bound() -> bool:
            found = await site.cluster.get("RoleBinding", site.namespace, "icefield-viewer")
            return bool(found) and "bob@example.org" in {subject["name"] for subject in found["subjects"]}

        await eventually(is_bound)
        await site.delete()

        async def is_gone() -> bool:
            return await site.cluster.get("ClusterRole", None, workspace_admin_role(site.slug)) is None

        await eventually(is_gone)
