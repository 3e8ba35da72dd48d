"""Shows steps as they happen: one line each, with the time it took; several may run at once."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from icefield_cluster.errors import ClusterError

TAIL_LINES = 20


@dataclass
class Step:
    """One thing that is being done.

    Args:
        title: what is done, in a few words.
        log: the file with its details.
    """

    title: str
    log: Path
    started: float = field(default_factory=time.monotonic)
    detail: str = ""

    def note(self, detail: str) -> None:
        """Say something about how it goes; shown beside the title."""
        self.detail = detail

    @property
    def elapsed(self) -> str:
        """Seconds since its start, for people."""
        seconds = time.monotonic() - self.started
        return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


class Steps:
    """The steps of one command; use as a context manager so that the display ends with it."""

    def __init__(self, console: Console, logs: Path) -> None:
        """Show on `console` and keep a log for each step in the folder `logs`."""
        self.console = console
        self.logs = logs
        self._running: list[Step] = []
        self._lock = threading.Lock()
        self._live = Live(self, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Steps:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            running = list(self._running)
        for step in running:
            row = Table.grid(padding=(0, 1))
            row.add_row(self._spinner, step.title, Text(step.detail, "dim"), Text(step.elapsed, "dim"))
            yield row

    _spinner = Spinner("dots", style="cyan")

    @contextmanager
    def step(self, title: str, log: Path | None = None) -> Iterator[Step]:
        """Run the body as a step.

        Args:
            title: what is done.
            log: where its details go; a file named by the title unless given.

        Raises:
            ClusterError: whatever the body raised of that kind, with this step's log when it named none.
        """
        step = Step(title, log or self.logs / f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.log")
        with self._lock:
            self._running.append(step)
        if not self.console.is_terminal:
            self.console.print(f"[dim]…[/] {title}", highlight=False)
        try:
            yield step
        except ClusterError as error:
            error.log = error.log or (step.log if step.log.exists() else None)
            self._end(step, "[red]✗[/]")
            raise
        except BaseException:
            self._end(step, "[red]✗[/]")
            raise
        self._end(step, "[green]✓[/]")

    def _end(self, step: Step, mark: str) -> None:
        with self._lock:
            self._running.remove(step)
        detail = f" [dim]{step.detail}[/]" if step.detail else ""
        self.console.print(f"{mark} {step.title}{detail} [dim]{step.elapsed}[/]", highlight=False)


def show_error(console: Console, error: ClusterError) -> None:
    """Say what went wrong, the end of its log, and the likely fix."""
    if error.log and error.log.exists():
        lines = error.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        console.print(f"\nThe end of {error.log}:", style="dim", highlight=False)
        for line in lines:
            console.print(Text(f"  {line[:400]}", "dim"))
    console.print(Text.assemble(("\nerror: ", "bold red"), error.message))
    if error.fix:
        console.print(Text.assemble(("  fix: ", "bold green"), error.fix))
