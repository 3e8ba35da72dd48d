"""Names, command lines and configuration of a standalone cluster."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from icefield_cluster.commands import Argument
from icefield_cluster.errors import ClusterError
from icefield_cluster.paths import CHECKOUT
from icefield_cluster.programs import binaries, toolchain
from icefield_cluster.programs.versions import GO_AT_LEAST, KUBERNETES, KWOK, MODULES
from icefield_cluster.standalone import cgroups, containerd, controlplane, coredns, kubelet, pki
from icefield_cluster.standalone.layout import ControlPlaneLayout
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout, cluster_id


@pytest.fixture
def node(tmp_path: Path) -> NodeLayout:
    return NodeLayout(tmp_path, ClusterNetwork("t-012345", 7))


def test_clusters_of_one_name_in_two_folders_have_different_ids(tmp_path: Path) -> None:
    assert cluster_id("a", tmp_path / "1") != cluster_id("a", tmp_path / "2")


def test_sockets_stay_short_however_deep_the_state_is(node: NodeLayout, tmp_path: Path) -> None:
    deep = NodeLayout(tmp_path / ("x" * 100), node.network)
    assert all(len(str(path)) < 64 for path in (deep.cri_socket, deep.kubelet_root))


def test_containerd_uses_only_folders_of_the_cluster(node: NodeLayout) -> None:
    config = tomllib.loads(containerd.config(node, "localhost/icefield/pause:1"))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == "localhost/icefield/pause:1"
    assert cri["restrict_oom_score_adj"] and cri["netns_mounts_under_state_dir"]
    own = (str(node.root), str(node.run))
    assert all(path.startswith(own) for path in (config["root"], config["state"], config["grpc"]["address"]))
    assert json.loads(containerd.network_config(node))["cniVersion"] == "0.4.0"


def test_the_kubelet_limits_processes_and_stays_below_its_cgroup(node: NodeLayout) -> None:
    config = yaml.safe_load(kubelet.kubelet_config(node))
    assert (config["podPidsLimit"], config["cgroupRoot"]) == (kubelet.POD_PIDS, "/icefield-t-012345")
    assert yaml.safe_load(kubelet.kube_proxy_config(node))["conntrack"]["maxPerCore"] == 0


def test_no_full_disk_makes_the_kubelet_delete_images(node: NodeLayout) -> None:
    config = yaml.safe_load(kubelet.kubelet_config(node))
    assert config["imageGCHighThresholdPercent"] == 100
    # containerd 1.6.20, which Debian 12 has, does not tell the kubelet which images are pinned.
    assert [signal for signal in config["evictionHard"] if "fs" in signal] == []


def test_kind_limits_processes_as_a_standalone_cluster_does() -> None:
    (machine,) = yaml.safe_load((CHECKOUT / "kind-config.yaml").read_text())["nodes"]
    (patch,) = (yaml.safe_load(text) for text in machine["kubeadmConfigPatches"])
    assert patch == {"kind": "KubeletConfiguration", "podPidsLimit": kubelet.POD_PIDS}


def _v1_hierarchies(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir()
        for file in ("cpuset.cpus", "cpuset.mems") if name == "cpuset" else ():
            (root / name / file).write_text("0-1")


def test_pods_live_below_a_cgroup_of_every_controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    _v1_hierarchies(tmp_path, "cpu,cpuacct", "cpuset", "memory", "pids", "systemd")
    for link in ("cpu", "cpuacct"):
        (tmp_path / link).symlink_to("cpu,cpuacct")
    cgroups.create("icefield-t")
    made = {path.parent.name for path in tmp_path.glob("*/icefield-t") if not path.parent.is_symlink()}
    assert made == {"cpu,cpuacct", "cpuset", "memory", "pids", "systemd"}
    assert (tmp_path / "cpuset" / "icefield-t" / "cpuset.cpus").read_text() == "0-1"


def test_a_kernel_that_cannot_limit_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    _v1_hierarchies(tmp_path, "cpu", "cpuset", "memory")
    with pytest.raises(ClusterError, match="controllers pids are not available"):
        cgroups.create("icefield-t")


def test_other_names_are_resolved_only_where_there_is_a_resolver(node: NodeLayout) -> None:
    assert "forward" in coredns.corefile(node, upstream=True)
    assert "forward" not in coredns.corefile(node, upstream=False)


def test_a_control_plane_on_the_loopback_device_advertises_another_address(tmp_path: Path) -> None:
    layout = ControlPlaneLayout(tmp_path, "127.0.0.1")
    assert "--advertise-address=192.0.2.1" in controlplane.apiserver(layout)
    init, cluster = yaml.safe_load_all(pki.kubeadm_config(layout))
    assert init["localAPIEndpoint"]["advertiseAddress"] == "192.0.2.1"
    assert cluster["kubernetesVersion"] == KUBERNETES.version


def test_every_module_has_checksums_and_needs_no_newer_go() -> None:
    for module in (*MODULES, KWOK):
        folder = binaries.TEMPLATES / module.name
        text = (folder / "go.mod").read_text()
        go = next(line.split()[1] for line in text.splitlines() if line.startswith("go "))
        assert tuple(int(part) for part in go.split(".")[:2]) <= GO_AT_LEAST, module.name
        assert f" {module.version}" in text
        assert f"tool {module.package}" in text or (folder / "main.go").is_file()
        assert (folder / "go.sum").stat().st_size > 0


def test_kubernetes_runs_a_command_for_each_of_its_names() -> None:
    text = (binaries.TEMPLATES / KUBERNETES.name / "main.go").read_text()
    assert sorted(re.findall(r'^\t"([a-z-]+)": +', text, re.MULTILINE)) == sorted(KUBERNETES.programs)
    assert {binaries.find(program).parent for program in KUBERNETES.programs} == {binaries.folder_of(KUBERNETES)}


def test_a_build_is_linked_once_and_named_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(argv: Sequence[Argument], **_: object) -> None:
        Path(argv[argv.index("-o") + 1]).write_text("a program")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(binaries, "find_go", lambda _: Path("go"))
    monkeypatch.setattr(binaries, "run", build)
    folder = binaries.ensure(KUBERNETES, tmp_path / "log")
    assert sorted(path.name for path in folder.iterdir()) == sorted(KUBERNETES.programs)
    assert len({path.stat().st_ino for path in folder.iterdir()}) == 1


def test_every_part_of_a_build_changes_its_key() -> None:
    keys = {
        binaries.key_of(module)
        for module in (
            KUBERNETES,
            replace(KUBERNETES, programs=KUBERNETES.programs[:-1]),
            replace(KUBERNETES, ldflags=""),
            replace(KUBERNETES, package="./other"),
            replace(KUBERNETES, name="etcd"),
        )
    }
    assert len(keys) == 5


def test_an_old_go_is_not_used(tmp_path: Path) -> None:
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.19.8\n")
    old.chmod(0o755)
    assert toolchain.version_of(old) == (1, 19)
    assert toolchain.version_of(tmp_path / "none") == (0, 0)
