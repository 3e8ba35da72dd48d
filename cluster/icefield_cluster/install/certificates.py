"""A certificate authority for one installation, and the API server's certificate from it."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=3650)
RENEW_BEFORE = datetime.timedelta(days=90)
SYSTEM_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class ServerCertificate:
    """PEM texts: the authority's certificate, the server's certificate, the server's key."""

    ca: str
    certificate: str
    key: str


def issue(hosts: Iterable[str]) -> ServerCertificate:
    """Create an authority and a server certificate signed by it; the authority's key is not kept.

    Args:
        hosts: names and IP addresses of the server.
    """
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = _name("Icefield installation CA"), _name("icefield-apiserver")
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        _builder(name, ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return ServerCertificate(_pem(ca), _pem(certificate), _private_pem(key))


def covers(certificate_pem: str, hosts: Iterable[str], now: datetime.datetime | None = None) -> bool:
    """Whether a certificate includes all of these hosts and is not to be renewed yet."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    soon = (now or datetime.datetime.now(datetime.UTC)) + RENEW_BEFORE
    return certificate.not_valid_after_utc > soon and all(_general_name(host) in names for host in hosts)


def signing_key_pair() -> tuple[str, str]:
    """An Ed25519 key pair as PEM: private (PKCS8) and public (SPKI)."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _private_pem(key), public.decode()


def bundle(ca_pem: str) -> str:
    """The system's certificate authorities and ours, as one PEM text."""
    return "\n".join(filter(None, (_system().rstrip(), ca_pem)))


def private_authorities() -> str:
    """Return the system's certificate authorities that the public does not trust, such as a company's, as PEM."""
    public = set(_load(certifi.contents()))
    private = dict.fromkeys(certificate for certificate in _load(_system()) if certificate not in public)
    return "".join(_pem(certificate) for certificate in private)


def _system() -> str:
    paths = ssl.get_default_verify_paths()
    for candidate in (paths.cafile, *SYSTEM_BUNDLES):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_text(encoding="utf-8")
    return ""


def _load(pem: str) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        # Old authorities have serial numbers that no new certificate may have.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_pem_x509_certificates(pem.encode()) if pem.strip() else []


def trust_store(authorities_pem: str) -> bytes:
    """Return certificate authorities as Java reads them: PKCS 12, without a password.

    Args:
        authorities_pem: the authorities, such as those of `bundle`.
    """
    entries = [
        pkcs12.PKCS12Certificate(certificate, f"authority-{number}".encode())
        for number, certificate in enumerate(dict.fromkeys(_load(authorities_pem)))
    ]
    return pkcs12.serialize_java_truststore(entries, NoEncryption())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
