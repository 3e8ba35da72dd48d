"""The command line of etcd."""

from __future__ import annotations

from icefield_cluster.commands import Argument
from icefield_cluster.programs import binaries
from icefield_cluster.standalone.layout import ControlPlaneLayout


def command(layout: ControlPlaneLayout) -> list[Argument]:
    """Command line of a single member that listens on the loopback device and requires client certificates."""
    client = f"https://127.0.0.1:{layout.ports.etcd}"
    peer = f"https://127.0.0.1:{layout.ports.etcd_peer}"
    pki = layout.pki / "etcd"
    argv: list[Argument] = [
        *layout.enter,
        binaries.find("etcd"),
        "--name=icefield",
        f"--data-dir={layout.root / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=icefield={peer}",
        "--client-cert-auth=true",
        f"--cert-file={pki / 'server.crt'}",
        f"--key-file={pki / 'server.key'}",
        f"--trusted-ca-file={pki / 'ca.crt'}",
        "--peer-client-cert-auth=true",
        f"--peer-cert-file={pki / 'peer.crt'}",
        f"--peer-key-file={pki / 'peer.key'}",
        f"--peer-trusted-ca-file={pki / 'ca.crt'}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=10m",
        "--quota-backend-bytes=2147483648",
        # Compaction leaves free pages, which are used again and given back to the disk only here.
        "--bootstrap-defrag-threshold-megabytes=256",
        "--log-level=warn",
        "--watch-progress-notify-interval=5s",
    ]
    if not layout.durable:
        argv.append("--unsafe-no-fsync")
    return argv
