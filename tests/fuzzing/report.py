"""What came of the requests: how many got which status, and which responses were wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain

from rich.table import Table


@dataclass
class Report:
    """The account of a run.

    Attributes:
        operations: labels of all operations, such as "GET /api/v1/jobs".
        requests: how many requests were sent.
        unanswered: how many of them got no answer in time.
        statuses: how often each operation was answered with each status.
        seconds: how long each request to an operation took.
        faults: of each operation and kind of fault, the first one and how to repeat it.
        counts: how often each of them occurred.
    """

    operations: set[str]
    requests: int = 0
    unanswered: int = 0
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add_fault(self, operation: str, kind: str, text: str) -> None:
        """Note what was wrong, with all that is needed to repeat it."""
        self.faults.setdefault((operation, kind), text)
        self.counts[operation, kind] += 1

    @property
    def without_success(self) -> set[str]:
        """The operations that never succeeded."""
        return {
            operation
            for operation in self.operations
            if not any(200 <= status < 300 for status in self.statuses.get(operation, ()))
        }

    def faults_text(self) -> str:
        """Return all faults, each with its reproduction."""
        return "\n\n".join(
            f"{operation}: {kind} ({self.counts[operation, kind]} times)\n{text}"
            for (operation, kind), text in self.faults.items()
        )

    def table(self) -> Table:
        """Return the statuses by operation and class."""
        shown = Table(title=f"{self.requests} requests to {len(self.operations)} operations")
        shown.add_column("operation", no_wrap=True)
        for heading in ("n", "2xx", "3xx", "4xx", "5xx", "all s", "longest s", "4xx and 5xx, each"):
            shown.add_column(heading, justify="right")
        for operation in sorted(self.operations):
            counter = self.statuses.get(operation, Counter())
            shown.add_row(operation, *_cells(counter, self.seconds.get(operation, [])))
        shown.add_section()
        shown.add_row("all", *_cells(sum(self.statuses.values(), Counter()), list(chain(*self.seconds.values()))))
        return shown


def _cells(counter: Counter[int], seconds: list[float]) -> list[str]:
    classes = Counter({group: sum(n for status, n in counter.items() if status // 100 == group) for group in range(6)})
    errors = ", ".join(f"{status}: {n}" for status, n in sorted(counter.items()) if status >= 400)
    times = (f"{sum(seconds):.1f}", f"{max(seconds, default=0):.1f}")
    return [str(counter.total()), *(str(classes[group] or "") for group in (2, 3, 4, 5)), *times, errors]
