"""A real Postgres for what SQLite cannot show: the session-scoped fixture `postgres_url` of tests/conftest.py."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

USER = "postgres"


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found or os.geteuid() != 0:
        pytest.skip("needs Debian's package postgresql, and root to run it as its own user")
    return found[-1].parent


@dataclass(frozen=True)
class RunningPostgres:
    """A Postgres on the loopback device."""

    root: Path
    port: int
    programs: Path

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its empty database."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Make its data and start it."""
        self._run("initdb", "-D", "data", "-U", USER, "--auth=trust", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.root} -c fsync=off"
        self._run("pg_ctl", "start", "-D", "data", "-w", "-l", "log", "-o", options)

    def stop(self) -> None:
        """End it; its data is of no use afterwards."""
        self._run("pg_ctl", "stop", "-D", "data", "-m", "immediate", "-w")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            user=USER,
            group=USER,
            extra_groups=[],
            cwd=self.root,
            check=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def start_postgres(root: Path) -> RunningPostgres:
    """Start a Postgres on a free port.

    Args:
        root: an empty folder for all of its files.
    """
    programs, account = _programs(), pwd.getpwnam(USER)
    os.chown(root, account.pw_uid, account.pw_gid)
    root.parent.chmod(0o711)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    postgres = RunningPostgres(root, port, programs)
    postgres.start()
    return postgres
