"""Certificates and kubeconfigs, created and renewed by kubeadm's phases."""

from __future__ import annotations

import base64
import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509

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

RENEW_BEFORE = timedelta(days=90)
"""kubeadm's certificates last a year: a cluster on which `up` is run once a quarter keeps them."""
AUTHORITIES = (
    *(f"{name}.{kind}" for name in ("ca", "front-proxy-ca", "etcd/ca") for kind in ("crt", "key")),
    "sa.key",
    "sa.pub",
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


def ensure(layout: ControlPlaneLayout, now: datetime | None = None) -> None:
    """Create certificates and kubeconfigs unless they exist, and renew those that are about to end.

    Renewed certificates come from the authorities that there are, so whatever trusts these need not change. kubeadm's
    authorities last ten years and are not renewed.

    Args:
        layout: where they are.
        now: the time for which they have to be valid.

    Raises:
        ClusterError: kubeadm failed.
    """
    if not exist(layout):
        # An interrupted attempt has left incomplete files, which nothing uses yet.
        for folder in (layout.pki, layout.kubeconfigs):
            shutil.rmtree(folder, ignore_errors=True)
        _create(layout, layout.logs / "kubeadm.log")
    elif is_due(layout, now):
        _renew(layout)


def valid_until(layout: ControlPlaneLayout) -> datetime:
    """Return when the first of the certificates that are renewed ends, those in kubeconfigs included."""
    authorities = {layout.pki / name for name in AUTHORITIES}
    certificates = [path.read_bytes() for path in layout.pki.rglob("*.crt") if path not in authorities]
    for path in layout.kubeconfigs.glob("*.conf"):
        users = yaml.safe_load(path.read_text(encoding="utf-8"))["users"]
        certificates += [base64.b64decode(user["user"]["client-certificate-data"]) for user in users]
    return min(x509.load_pem_x509_certificate(pem).not_valid_after_utc for pem in certificates)


def is_due(layout: ControlPlaneLayout, now: datetime | None = None) -> bool:
    """Whether certificates have to be renewed."""
    return valid_until(layout) < (now or datetime.now(UTC)) + RENEW_BEFORE


def digest(layout: ControlPlaneLayout) -> str:
    """Return a hash of all certificates and kubeconfigs: programs read them when they start."""
    files = [*sorted(layout.pki.rglob("*.crt")), *sorted(layout.kubeconfigs.glob("*.conf"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def exist(layout: ControlPlaneLayout) -> bool:
    """Whether all certificates and kubeconfigs were created."""
    return _last_file(layout).exists()


def _last_file(layout: ControlPlaneLayout) -> Path:
    """The file that is written last, and renamed: when it exists, everything does."""
    return layout.kubeconfigs / "kube-proxy.conf"


def _create(layout: ControlPlaneLayout, log: Path) -> None:
    """Create what is missing; kubeadm keeps authorities that exist."""
    config = layout.kubeconfigs / "kubeadm.yaml"
    layout.kubeconfigs.mkdir(parents=True, exist_ok=True, mode=0o700)
    config.write_text(kubeadm_config(layout), encoding="utf-8")
    kubeadm = binaries.find("kubeadm")
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
    partial = _last_file(layout).with_suffix(".partial")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.rename(_last_file(layout))


def _renew(layout: ControlPlaneLayout) -> None:
    """Replace all certificates but the authorities', and the kubeconfigs.

    They are made beside the present ones. An interrupted replacement is repeated: a certificate is replaced after its
    key, so one whose key does not fit is an old one, and due.
    """
    fresh = replace(layout, root=layout.root / "renewed")
    shutil.rmtree(fresh.root, ignore_errors=True)
    for name in AUTHORITIES:
        target = fresh.pki / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy2(layout.pki / name, target)
    _create(fresh, layout.logs / "kubeadm.log")
    for key in sorted(fresh.pki.rglob("*.key")):
        key.replace(layout.pki / key.relative_to(fresh.pki))
    for certificate in sorted(fresh.pki.rglob("*.crt")):
        certificate.replace(layout.pki / certificate.relative_to(fresh.pki))
    for kubeconfig in sorted(fresh.kubeconfigs.glob("*.conf")):
        kubeconfig.replace(layout.kubeconfigs / kubeconfig.name)
    shutil.rmtree(fresh.root)
    # The kubelet signs its own for a year, and keeps it for ever.
    shutil.rmtree(layout.kubelet_certificates, ignore_errors=True)
