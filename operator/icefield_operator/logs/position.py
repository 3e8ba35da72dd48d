"""Where an attempt's log is resumed: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from icefield_crds.wire.log_line import is_gap

from .lines import newest, timestamp_of

OVERLAP = timedelta(seconds=1)
"""How much older than the newest archived line a line may be that is not archived yet: stdout and stderr are
timestamped apart and then merged, so their order is not exactly that of time."""


class Verdict(Enum):
    """What to do with the next record of a stream that was opened to resume a log."""

    ARCHIVED = auto()
    """Nothing: the archive has it."""
    NEW = auto()
    """Archive it."""
    NEW_AFTER_GAP = auto()
    """Archive it, and say that lines before it are missing: the stream began after the last archived line."""


@dataclass
class Position:
    """Where to resume an attempt's log. Every stream of a log has the same lines in the same order."""

    complete: bool = False
    """There is nothing left to archive."""
    incomplete: bool = False
    """Lines are missing."""
    start_unknown: bool = False
    """It is not known whether the first lines are missing."""
    next_part: int = 0
    since: datetime | None = None
    """Read lines from then on; whole seconds, as the kubelet takes no finer ones. None: from the start."""
    overlap_bytes: int = 0
    """The size of the archived records from `since` on."""
    _archived: Counter[int] = field(default_factory=Counter)
    """How often each record from `since` on is archived and was not met yet, by its hash."""
    _last: int | None = None
    """The hash of the last archived line; None once the stream has reached it, or where nothing is archived."""

    @property
    def since_time(self) -> str | None:
        """`since` as the kubelet takes it."""
        return self.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if self.since else None

    @property
    def is_at_start(self) -> bool:
        """Whether nothing is archived."""
        return self.next_part == 0

    @property
    def is_reached(self) -> bool:
        """Whether the stream has come to the end of what is archived; all that follows is new."""
        return self._last is None

    def add_archived(self, records: Iterable[bytes]) -> bool:
        """Take in the records of a part, the last part first.

        Returns:
            Whether earlier parts are needed, too.
        """
        lines = [record for record in records if not is_gap(record)]
        latest = newest(lines)
        if latest is None:
            return True
        if self.since is None:
            self.since = latest.replace(microsecond=0) - OVERLAP
            self._last = hash(lines[-1])
        elif latest < self.since:
            return False
        overlap = [record for record in lines if timestamp_of(record) >= self.since]
        self._archived.update(hash(record) for record in overlap)
        self.overlap_bytes += sum(map(len, overlap))
        return True

    def judge(self, record: bytes) -> Verdict:
        """Return what to do with the stream's next record."""
        if self._last is None:
            return Verdict.NEW
        digest = hash(record)
        if self._archived[digest] > 0:
            self._archived[digest] -= 1
            if digest == self._last and not self._archived[digest]:
                self._last = None
            return Verdict.ARCHIVED
        # Older lines come where the stream does not begin exactly at `since`.
        if self.since is not None and timestamp_of(record) < self.since:
            return Verdict.ARCHIVED
        self._last = None
        return Verdict.NEW_AFTER_GAP
