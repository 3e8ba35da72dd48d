"""kubeadm's certificates are renewed before they end, by the authorities that there are."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from icefield_cluster.programs import binaries
from icefield_cluster.programs.versions import KUBERNETES
from icefield_cluster.standalone import pki
from icefield_cluster.standalone.layout import ControlPlaneLayout

pytestmark = pytest.mark.integration

CLIENTS = {"admin", "super-admin", "controller-manager", "scheduler", "kubelet", "kube-proxy"}


@pytest.fixture
def layout(tmp_path: Path) -> ControlPlaneLayout:
    binaries.ensure(KUBERNETES, tmp_path / "build.log")
    made = ControlPlaneLayout(tmp_path / "cluster", "127.0.0.1")
    pki.ensure(made)
    return made


def contents(layout: ControlPlaneLayout) -> dict[str, bytes]:
    """Every file of certificates, keys and kubeconfigs."""
    folders = (layout.pki, layout.kubeconfigs)
    return {
        str(path.relative_to(layout.root)): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def issuer_of(layout: ControlPlaneLayout, name: str) -> x509.Certificate:
    authority = {"etcd/": "etcd/ca.crt", "front-proxy": "front-proxy-ca.crt", "apiserver-etcd": "etcd/ca.crt"}
    found = next((ca for prefix, ca in authority.items() if name.startswith(prefix)), "ca.crt")
    return x509.load_pem_x509_certificate((layout.pki / found).read_bytes())


def assert_pairs_fit(layout: ControlPlaneLayout) -> None:
    """Each certificate was issued by its authority for the key beside it."""
    for path in layout.pki.rglob("*.crt"):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
        assert certificate.public_key() == key.public_key(), path
        certificate.verify_directly_issued_by(issuer_of(layout, str(path.relative_to(layout.pki))))
    for path in layout.kubeconfigs.glob("*.conf"):
        user = yaml.safe_load(path.read_text())["users"][0]["user"]
        certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
        key = serialization.load_pem_private_key(base64.b64decode(user["client-key-data"]), None)
        assert certificate.public_key() == key.public_key(), path
        certificate.verify_directly_issued_by(issuer_of(layout, "ca.crt"))


def test_certificates_are_renewed_in_time_and_authorities_stay(layout: ControlPlaneLayout) -> None:
    made, digest = contents(layout), pki.digest(layout)
    assert {Path(name).stem for name in made if name.endswith(".conf")} == CLIENTS
    in_time = datetime.now(UTC) + timedelta(days=365) - pki.RENEW_BEFORE
    pki.ensure(layout, in_time - timedelta(days=1))
    assert contents(layout) == made
    assert pki.digest(layout) == digest

    layout.kubelet_certificates.mkdir()
    pki.ensure(layout, in_time + timedelta(days=1))
    renewed = contents(layout)
    kept = {name for name in made if renewed[name] == made[name]}
    assert kept == {f"pki/{name}" for name in pki.AUTHORITIES} | {"kubernetes/kubeadm.yaml"}
    assert renewed.keys() == made.keys()
    assert_pairs_fit(layout)
    assert pki.digest(layout) != digest
    assert not layout.kubelet_certificates.exists()


def test_an_interrupted_renewal_is_repeated(layout: ControlPlaneLayout) -> None:
    """A key was replaced, its certificate was not, and what was made beside is half there."""
    other = replace(layout, root=layout.root / "renewed")
    pki.ensure(other)
    (other.pki / "apiserver.crt").write_text("cut")
    (other.pki / "apiserver.key").replace(layout.pki / "apiserver.key")
    pki.ensure(layout, datetime.now(UTC) + timedelta(days=300))
    assert_pairs_fit(layout)
    assert not other.root.exists()
