"""The kubelet and kube-proxy: their configuration and command lines."""

from __future__ import annotations

from pathlib import Path

import yaml

from icefield_cluster.commands import Argument
from icefield_cluster.paths import write_if_changed
from icefield_cluster.programs import binaries
from icefield_cluster.standalone.layout import DNS_DOMAIN, DNS_SERVICE_ADDRESS, NODE_NAME, POD_SUBNET
from icefield_cluster.standalone.node import NodeLayout

POD_PIDS = 2048
"""Limit of processes and threads of a pod: more than a busy Spark driver on a large machine has (several hundred), and
a small part of the machine's process ids."""


def kubelet_config(node: NodeLayout) -> str:
    """The kubelet's configuration as YAML."""
    content = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.network.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(node.control_plane.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "clusterDomain": DNS_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{node.cri_socket}",
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        # A threshold that is not named here is zero. A developer's disk is often nearly full, of other things than
        # pods. The first thing that the kubelet does about it is to delete every image that no container uses, and
        # imported ones cannot be pulled again. Pods' limits of ephemeral storage hold nevertheless.
        "evictionHard": {"memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "podLogsDir": str(node.pod_logs),
        "podPidsLimit": POD_PIDS,
        "resolvConf": str(node.root / "resolv.conf"),
        "rotateCertificates": False,
        "serializeImagePulls": False,
        "volumePluginDir": str(node.kubelet_root / "volume-plugins"),
    }
    return yaml.safe_dump(content, sort_keys=False)


def kube_proxy_config(node: NodeLayout) -> str:
    """kube-proxy's configuration as YAML."""
    content = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_SUBNET,
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(node.control_plane.kubeconfigs / "kube-proxy.conf")},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The connection table's size belongs to the whole machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    return yaml.safe_dump(content, sort_keys=False)


def write(node: NodeLayout) -> tuple[str, str]:
    """Write both files and return their text, the kubelet's first."""
    texts = kubelet_config(node), kube_proxy_config(node)
    write_if_changed(node.root / "resolv.conf", upstream_resolv_conf())
    for name, text in zip(("kubelet.yaml", "kube-proxy.yaml"), texts, strict=True):
        write_if_changed(node.root / name, text)
    return texts


def upstream_resolv_conf() -> str:
    """The host's resolvers without those on its loopback device, which the cluster cannot reach."""
    for candidate in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if not candidate.exists():
            continue
        lines = candidate.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(("nameserver 127.", "nameserver ::1"))]
        if any(line.startswith("nameserver") for line in kept):
            return "\n".join(kept) + "\n"
    return ""


def kubelet(node: NodeLayout) -> list[Argument]:
    """The kubelet's command line."""
    return [
        *node.enter,
        binaries.find("kubelet"),
        f"--config={node.root / 'kubelet.yaml'}",
        f"--kubeconfig={node.control_plane.kubeconfigs / 'kubelet.conf'}",
        f"--root-dir={node.kubelet_root}",
        f"--cert-dir={node.control_plane.kubelet_certificates}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={node.network.address}",
    ]


def kube_proxy(node: NodeLayout) -> list[Argument]:
    """kube-proxy's command line."""
    return [*node.enter, binaries.find("kube-proxy"), f"--config={node.root / 'kube-proxy.yaml'}"]
