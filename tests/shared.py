"""Services that all workers of a run share: the first to need one starts it, and the end of the run stops it.

pytest's own process makes the run's folder and removes it; the workers find it in the environment. Without xdist there
is just that one process. Services are handed over pickled, so they hold addresses and process ids, no open connections.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar, Protocol, TextIO, TypeVar

from icefield_cluster.paths import locked

RUN_FOLDER = "ICEFIELD_TEST_RUN"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
"""A name for this process that no other of the run has, for what they must not share."""


class Service(Protocol):
    """Something that runs until it is stopped."""

    def stop(self) -> None:
        """Stop it."""


ServiceT = TypeVar("ServiceT", bound=Service)


def shared(name: str, start: Callable[[Path], ServiceT]) -> ServiceT:
    """Return the run's service of this name.

    Args:
        name: its name, the same in all workers.
        start: starts it, given an empty folder; called in one worker only, unless it raises.
    """
    run = Path(os.environ[RUN_FOLDER])
    record = run / f"{name}.pickle"
    with locked(run / f"{name}.lock"):
        if not record.exists():
            service = start(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=run)))
            record.write_bytes(pickle.dumps(service))
        found: ServiceT = pickle.loads(record.read_bytes())  # noqa: S301 - written by this run
    return found


class Use:
    """The right to use something together with other workers, which can be made one to use it alone."""

    _held: ClassVar[dict[str, Use]] = {}

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle

    @classmethod
    @contextmanager
    def of(cls, name: str) -> Iterator[Use]:
        """Use the service of this name, once no other worker uses it alone."""
        if name in cls._held:
            yield cls._held[name]
            return
        with (Path(os.environ[RUN_FOLDER]) / f"{name}.use").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            cls._held[name] = cls(handle)
            try:
                yield cls._held[name]
            finally:
                del cls._held[name]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Use it alone, once no other worker uses it."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_SH)


def open_run() -> None:
    """Make the run's folder; its path is short, because sockets are in it. SIGTERM ends the run as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="icefield-tests-")


def close_run() -> None:
    """Stop all services of the run, the last started first and each whatever comes of the others; remove its folder."""
    run = Path(os.environ.pop(RUN_FOLDER))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, run, ignore_errors=True)
        for record in sorted(run.glob("*.pickle"), key=lambda path: path.stat().st_mtime_ns):
            service: Service = pickle.loads(record.read_bytes())  # noqa: S301 - written by this run
            stack.callback(service.stop)
