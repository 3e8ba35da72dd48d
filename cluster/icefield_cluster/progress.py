"""Shows steps as they happen: one line each, with the time it took; several may run at once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from icefield_cluster.errors import ClusterError

TAIL_LINES = 20


@dataclass
class Step:
    """A step of a command.

    Args:
        title: what is done, in a few words.
        log: the file with its details.
        progress: shows it while it runs.
        task: its task there.
    """

    title: str
    log: Path
    progress: Progress
    task: TaskID
    started: float = field(default_factory=time.monotonic)
    detail: str = ""

    def note(self, detail: str) -> None:
        """Show a detail beside the title, in place of the one before."""
        self.detail = detail
        self.progress.update(self.task, detail=detail)

    @property
    def elapsed(self) -> str:
        """Time since its start, for humans."""
        return _format_seconds(time.monotonic() - self.started)


class Steps:
    """The steps of one command; use as a context manager so that the display ends with it."""

    def __init__(self, console: Console, logs: Path) -> None:
        """Show on `console` and keep a log for each step in the folder `logs`."""
        self.console = console
        self.logs = logs
        self._progress = Progress(
            SpinnerColumn(style="cyan"),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[detail]}", style="dim", markup=False),
            _ElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Steps:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, title: str, log: Path | None = None) -> Iterator[Step]:
        """Run the body as a step.

        Args:
            title: what is done.
            log: file for its details; named by the title unless given.

        Raises:
            ClusterError: raised by the body; with this step's log when it names none.
        """
        file = log or self.logs / f"{re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')}.log"
        step = Step(title, file, self._progress, self._progress.add_task(title, total=None, detail=""))
        if not self.console.is_terminal:
            self.console.print(f"[dim]…[/] {title}", highlight=False)
        try:
            yield step
        except ClusterError as error:
            error.log = error.log or (step.log if step.log.exists() else None)
            self._end(step, ("✗", "red"))
            raise
        except BaseException:
            self._end(step, ("✗", "red"))
            raise
        self._end(step, ("✓", "green"))

    def _end(self, step: Step, mark: tuple[str, str]) -> None:
        self._progress.remove_task(step.task)
        details = [(f" {text}", "dim") for text in (step.detail, step.elapsed) if text]
        self.console.print(Text.assemble(mark, f" {step.title}", *details))


class _ElapsedColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_format_seconds(task.elapsed or 0), "dim")


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def show_error(console: Console, error: ClusterError) -> None:
    """Show the end of an error's log, its message, and the likely fix."""
    if error.log and error.log.exists():
        lines = error.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        console.print(f"\nThe end of {error.log}:", style="dim", highlight=False)
        for line in lines:
            console.print(Text(f"  {line[:400]}", "dim"))
    console.print(Text.assemble(("\nerror: ", "bold red"), error.message))
    if error.fix:
        console.print(Text.assemble(("  fix: ", "bold green"), error.fix))
