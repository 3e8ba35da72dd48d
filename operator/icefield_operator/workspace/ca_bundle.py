"""The certificate authorities that pods trust: those of this container's system, and ours."""

from __future__ import annotations

import ssl
import warnings
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from cryptography.utils import CryptographyDeprecationWarning


class Authorities(NamedTuple):
    """All of them, twice."""

    pem: str
    trust_store: bytes
    """For Java: PKCS 12, without a password."""


def read(*own: Path) -> Authorities:
    """Return all of them.

    Args:
        own: the CAs that signed the certificates of the REST API and of the package index, as far as they are none of
            the system's.

    Raises:
        OSError: a file cannot be read.
        ValueError: what is in it are no certificates.
    """
    system = ssl.get_default_verify_paths().cafile
    files = [Path(system) if system else Path(certifi.where()), *own]
    pem = "\n".join(file.read_text().strip() for file in files) + "\n"
    return Authorities(pem, _trust_store(pem))


@lru_cache(maxsize=1)  # salted: made twice, the same authorities would differ
def _trust_store(pem: str) -> bytes:
    with warnings.catch_warnings():
        # Old authorities have serial numbers that no new certificate may have.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        certificates = dict.fromkeys(x509.load_pem_x509_certificates(pem.encode()))
    entries = [
        pkcs12.PKCS12Certificate(certificate, f"authority-{number}".encode())
        for number, certificate in enumerate(certificates)
    ]
    return pkcs12.serialize_java_truststore(entries, NoEncryption())
