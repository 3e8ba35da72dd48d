"""The certificate authorities that pods trust: those of this container's system, and ours."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi


def read(own_ca: Path | None) -> str:
    """Return one PEM text of all of them.

    Args:
        own_ca: the CA that signed the REST API's certificate, when it is none of the system's.

    Raises:
        OSError: a file cannot be read.
    """
    system = ssl.get_default_verify_paths().cafile
    files = [Path(system) if system else Path(certifi.where()), *([own_ca] if own_ca else [])]
    return "\n".join(file.read_text().strip() for file in files) + "\n"
