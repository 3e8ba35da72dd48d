"""A real Postgres for what SQLite cannot show: the session-scoped fixture `postgres_url` of tests/conftest.py."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or os.geteuid() != 0:
        pytest.skip("needs Debian's package postgresql, and root to run it as its own user")
    return found[-1].parent


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a Postgres of its own on a free port of the loopback device, and give its SQLAlchemy URL."""
    programs = _programs()
    account = pwd.getpwnam(USER)
    root = Path(tempfile.mkdtemp(prefix="icefield-postgres-"))
    os.chown(root, account.pw_uid, account.pw_gid)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    def run(*argv: str) -> None:
        subprocess.run(
            [programs / argv[0], *argv[1:]],
            user=USER,
            group=USER,
            extra_groups=[],
            cwd=root,
            check=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    data = str(root / "data")
    run("initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {root} -c fsync=off"
    run("pg_ctl", "start", "-D", data, "-w", "-l", str(root / "log"), "-o", options)
    try:
        yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "-D", data, "-m", "immediate", "-w")
        shutil.rmtree(root)
