"""Fixtures that tests of several kinds share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.controlplane import ControlPlane, start_control_plane
from tests.shared import shared
from tests.unit.manifests.rendering import overlay


@pytest.fixture(scope="session")
def installed_control_plane() -> ControlPlane:
    """A second control plane for the run, with the standalone overlay: for tests of what the manifests allow."""

    def start(folder: Path) -> ControlPlane:
        plane = start_control_plane(folder)
        plane.apply_crds()
        plane.kubectl("apply", "--server-side", "-k", str(overlay("standalone")))
        return plane

    return shared("installed-control-plane", start)


@pytest.fixture
def own_ca(tmp_path: Path) -> Path:
    """The CA behind our REST API."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ours")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    path = tmp_path / "ca.crt"
    path.write_bytes(builder.sign(key, None).public_bytes(Encoding.PEM))
    return path
