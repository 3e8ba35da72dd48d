"""Debian packages that a standalone cluster needs: the missing ones are installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from icefield_cluster.commands import CommandError, run
from icefield_cluster.errors import ClusterError
from icefield_cluster.paths import locked

AUTHORITIES = "ca-certificates"
# Package -> a program on PATH or a file that shows that it is installed.
NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "iptables": "iptables",
    "nftables": "nft",
    "conntrack": "conntrack",
    "iproute2": "ip",
    "util-linux": "nsenter",
    # Bounds the logs of the programs.
    "apache2-utils": "rotatelogs",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    # For the Java parts of images; the JDK of any Debian since 12 works.
    "maven": "mvn",
    "default-jdk-headless": "javac",
    AUTHORITIES: "/etc/ssl/certs/ca-certificates.crt",
}
# Distributions other than Debian do not have Debian's keys.
KEYRING = ("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """The packages that are not installed."""
    wanted = {**NEEDED, KEYRING[0]: KEYRING[1]}
    return [package for package, sign in wanted.items() if not _present(sign)]


def _present(sign: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=path) is not None


def ensure(log: Path) -> list[str]:
    """Install what is missing and return its names.

    Args:
        log: file for apt's output.

    Raises:
        ClusterError: packages are missing and there is no apt, or it failed.
    """
    names = missing()
    if not names:
        return []
    by_hand = f"install these packages: {' '.join(names)}"
    if shutil.which("apt-get") is None:
        raise ClusterError("packages are missing and there is no apt-get", fix=by_hand)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with locked(Path("/run/lock/icefield-apt.lock")):
        try:
            run(["apt-get", "update"], log=log, timeout=600, env=quiet, fix="check the network and apt's sources")
        except CommandError:
            # One unavailable source does not matter when the others have the packages.
            log.open("a").write("continuing with the package lists at hand\n")
        options = ["-o", "DPkg::Lock::Timeout=300", "--yes", "--no-install-recommends"]
        run(["apt-get", "install", *options, *names], log=log, timeout=1800, env=quiet, fix=by_hand)
    return names
