"""containerd with a root, state and socket of its own, and the pods' network."""

from __future__ import annotations

import json
from pathlib import Path

from icefield_cluster.commands import Argument, CommandError, output, run
from icefield_cluster.paths import write_if_changed
from icefield_cluster.standalone.layout import POD_SUBNET
from icefield_cluster.standalone.node import NodeLayout

IMPORTS_AT_ONCE = 2
CONFIG = """\
version = 2
root = "{root}"
state = "{state}"
# Without the configuration in /etc/containerd, which is for Docker's own containerd.
imports = []

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without it every sandbox fails where the caller may not lower its own score.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  max_container_log_line_size = 262144

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{state}/runc"
        SystemdCgroup = false
"""


def config(node: NodeLayout, pause: str) -> str:
    """containerd's configuration; `pause` is the sandbox image's name with tag."""
    return CONFIG.format(
        root=node.containerd_root,
        state=node.containerd_state,
        socket=node.cri_socket,
        pause=pause,
        cni=node.cni,
        snapshotter=snapshotter(node),
    )


def snapshotter(node: NodeLayout) -> str:
    """`overlayfs`, or `native` where the state itself is on an overlay, as in most containers."""
    try:
        return (
            "native"
            if output(["stat", "-f", "-c", "%T", node.root], timeout=10).strip() == "overlayfs"
            else "overlayfs"
        )
    except CommandError:
        return "overlayfs"


def network_config(node: NodeLayout) -> str:
    """The pods' network as a CNI 0.4.0 list, which containerd 1.6 supports.

    Each pod has a veth pair of its own to the node (`ptp`), so all its packets pass the node's netfilter: Services work
    without the kernel module (br_netfilter) that a bridge needs.
    """
    plugins = [
        {
            "type": "ptp",
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(node.root / "addresses"),
                "ranges": [[{"subnet": POD_SUBNET.replace("/16", "/24")}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": node.cni_network, "plugins": plugins}, indent=2)


def write(node: NodeLayout, pause: str) -> str:
    """Write both files and return containerd's, whose change requires a restart."""
    text = config(node, pause)
    node.cni.mkdir(parents=True, exist_ok=True)
    write_if_changed(node.cni / "10-icefield.conflist", network_config(node))
    write_if_changed(node.root / "containerd.toml", text)
    return text


def command(node: NodeLayout) -> list[Argument]:
    """Its command line."""
    return [*node.enter, "containerd", "--config", node.root / "containerd.toml"]


def is_ready(socket: Path) -> bool:
    """Whether it answers on its socket."""
    try:
        output([*ctr(socket), "version"], timeout=10)
    except CommandError:
        return False
    return True


def ctr(socket: Path) -> list[Argument]:
    """A `ctr` command line for Kubernetes' images and containers, without arguments."""
    return ["ctr", "--address", socket, "--namespace", "k8s.io"]


def images(socket: Path) -> set[str]:
    """The names of all images.

    Raises:
        CommandError: containerd does not answer.
    """
    return set(output([*ctr(socket), "images", "list", "--quiet"], timeout=60).split())


def pin(socket: Path, reference: str, log: Path) -> None:
    """Have the kubelet keep an image that nothing uses.

    containerd tells the kubelet from 1.6.25 and 1.7.10 on; before, only the kubelet's configuration keeps images.

    Raises:
        CommandError: there is no such image.
    """
    run([*ctr(socket), "images", "label", reference, "io.cri-containerd.pinned=pinned"], log=log, timeout=60)


def import_image(socket: Path, snapshotter: str, archive: Path, log: Path) -> None:
    """Import an image from an archive, and unpack it.

    Raises:
        CommandError: it could not be imported.
    """
    run([*ctr(socket), "images", "import", "--snapshotter", snapshotter, archive], log=log, timeout=600)
