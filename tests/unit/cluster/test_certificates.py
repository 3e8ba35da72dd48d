"""The certificate authority of an installation."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography.hazmat.primitives import serialization

from icefield_cluster.install import certificates


def _serve_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listener.accept()
    with connection, context.wrap_socket(connection, server_side=True) as secure:
        secure.recv(1)


def test_a_strict_client_accepts_the_server_by_every_name(tmp_path: Path) -> None:
    issued = certificates.issue(["localhost", "127.0.0.1"])
    (tmp_path / "crt").write_text(issued.certificate)
    (tmp_path / "key").write_text(issued.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.create_default_context(cadata=issued.ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("localhost", "127.0.0.1"):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=_serve_once, args=(listener, server))
            thread.start()
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as raw,
                client.wrap_socket(raw, server_hostname=name) as secure,
            ):
                secure.send(b"x")
            thread.join(10)


def test_covers_compares_names_and_addresses() -> None:
    issued = certificates.issue(["icefield-apiserver", "10.200.1.2"])
    assert certificates.covers(issued.certificate, ["10.200.1.2", "icefield-apiserver"])
    assert not certificates.covers(issued.certificate, ["10.200.2.2"])


def test_a_certificate_is_replaced_before_it_ends() -> None:
    issued, now = certificates.issue(["icefield-apiserver"]), datetime.now(UTC)
    in_time = now + certificates.LIFETIME - certificates.RENEW_BEFORE - timedelta(days=1)
    assert certificates.covers(issued.certificate, ["icefield-apiserver"], in_time)
    assert not certificates.covers(issued.certificate, ["icefield-apiserver"], in_time + timedelta(days=2))


def test_signing_keys_belong_together() -> None:
    private, public = certificates.signing_key_pair()
    key = serialization.load_pem_private_key(private.encode(), None)
    found = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert found.decode() == public


def test_bundle_has_the_system_authorities_and_ours() -> None:
    ours = certificates.issue(["localhost"]).ca
    text = certificates.bundle(ours)
    if text == ours:
        pytest.skip("this machine has no certificate authorities")
    assert text.endswith(ours)
    assert text.count("BEGIN CERTIFICATE") > 10


def test_the_authorities_of_a_company_are_those_that_the_public_does_not_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = certificates.issue(["packages.example.com"]).ca
    (tmp_path / "system.pem").write_text(certifi.contents() + company + company)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    assert certificates.private_authorities() == company
    (tmp_path / "system.pem").write_text(certifi.contents())
    assert certificates.private_authorities() == ""


@pytest.mark.skipif(shutil.which("keytool") is None, reason="needs a JDK")
def test_java_reads_the_trust_store(tmp_path: Path) -> None:
    issued = certificates.issue(["localhost"])
    store = tmp_path / "trust-store.p12"
    store.write_bytes(certificates.trust_store(certificates.bundle(issued.ca)))
    listed = subprocess.run(
        ["keytool", "-list", "-keystore", store, "-storetype", "PKCS12"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        input="\n",
    )
    assert listed.stdout.count("trustedCertEntry") == certificates.bundle(issued.ca).count("BEGIN CERTIFICATE")
