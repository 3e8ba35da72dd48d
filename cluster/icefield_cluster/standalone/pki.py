"""Certificates and kubeconfigs, created by kubeadm's phases."""

from __future__ import annotations

import shutil

import yaml

from icefield_cluster.commands import Argument, output, run
from icefield_cluster.programs import binaries
from icefield_cluster.programs.versions import KUBERNETES
from icefield_cluster.standalone.layout import (
    DNS_DOMAIN,
    NODE_NAME,
    POD_SUBNET,
    SERVICE_SUBNET,
    ControlPlaneLayout,
)

KUBECONFIGS = ("admin", "super-admin", "controller-manager", "scheduler", "kubelet")


def kubeadm_config(layout: ControlPlaneLayout) -> str:
    """kubeadm's configuration (kubeadm.k8s.io/v1beta4) as YAML."""
    init = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": layout.advertised, "bindPort": layout.ports.apiserver},
        "nodeRegistration": {"name": NODE_NAME, "criSocket": f"unix://{layout.cri_socket}"},
    }
    cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "clusterName": "icefield",
        "kubernetesVersion": KUBERNETES.version,
        "controlPlaneEndpoint": f"{layout.address}:{layout.ports.apiserver}",
        "certificatesDir": str(layout.pki),
        # RSA keys take seconds to generate, these milliseconds.
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": {"serviceSubnet": SERVICE_SUBNET, "podSubnet": POD_SUBNET, "dnsDomain": DNS_DOMAIN},
        "apiServer": {"certSANs": ["localhost", "127.0.0.1", layout.address]},
    }
    return yaml.safe_dump_all([init, cluster], sort_keys=False)


def ensure(layout: ControlPlaneLayout) -> None:
    """Create certificates and kubeconfigs unless they exist.

    Raises:
        ClusterError: kubeadm failed.
    """
    config = layout.kubeconfigs / "kubeadm.yaml"
    proxy = layout.kubeconfigs / "kube-proxy.conf"
    if proxy.exists():
        return
    # An interrupted attempt has left incomplete files, which nothing uses yet.
    for folder in (layout.pki, layout.kubeconfigs):
        shutil.rmtree(folder, ignore_errors=True)
    layout.kubeconfigs.mkdir(parents=True, exist_ok=True, mode=0o700)
    config.write_text(kubeadm_config(layout), encoding="utf-8")
    kubeadm, log = binaries.find("kubeadm"), layout.logs / "kubeadm.log"
    run([kubeadm, "init", "phase", "certs", "all", "--config", config], log=log, timeout=60)
    for name in KUBECONFIGS:
        target: list[Argument] = ["--kubeconfig-dir", layout.kubeconfigs, "--config", config]
        run([kubeadm, "init", "phase", "kubeconfig", name, *target], log=log, timeout=60)
        # kubeadm writes the advertised address, which is not always the one that the API server listens on.
        kubeconfig = layout.kubeconfigs / f"{name}.conf"
        text = kubeconfig.read_text(encoding="utf-8")
        kubeconfig.write_text(text.replace(f"//{layout.advertised}:", f"//{layout.address}:"), encoding="utf-8")
    user: list[Argument] = ["--client-name", "system:kube-proxy", "--config", config]
    text = output([kubeadm, "kubeconfig", "user", *user], timeout=60)
    # Written last and renamed: when it exists, everything does.
    partial = proxy.with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.rename(proxy)
