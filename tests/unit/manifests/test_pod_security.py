"""Every pod of every overlay satisfies the restricted Pod Security level, and what we ask beyond it."""

import pytest
from tests.unit.manifests.rendering import OVERLAYS, Manifest, containers, of_kind, pod_specs

PODS = [pytest.param(pod, id=f"{overlay}-{name}") for overlay in OVERLAYS for name, pod in pod_specs(overlay)]
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


@pytest.mark.parametrize("pod", PODS)
def test_pod_is_restricted(pod: Manifest) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for volume in pod["volumes"]:
        assert volume.keys() - {"name"} <= VOLUMES, volume["name"]


@pytest.mark.parametrize("pod", PODS)
def test_containers_are_restricted(pod: Manifest) -> None:
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, container["name"]
        assert all("hostPort" not in port for port in container.get("ports", []))


@pytest.mark.parametrize("pod", PODS)
def test_a_small_node_has_room_and_no_pod_takes_all_of_it(pod: Manifest) -> None:
    for container in containers(pod):
        assert container["resources"]["requests"]["cpu"] in {"10m", "50m"}
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("pod", PODS)
def test_only_who_speaks_to_kubernetes_has_a_token(pod: Manifest) -> None:
    assert ("serviceAccountName" in pod) != (pod.get("automountServiceAccountToken") is False)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_namespace_enforces_it(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
