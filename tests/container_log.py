"""Plays container runtime and kubelet on the log files of one container: writes, rotates, compresses, deletes."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
MAX_FILES = 5


@dataclass
class ContainerLog:
    """The files in one folder. Each line is a millisecond after the one before."""

    folder: Path
    texts: list[str] = field(default_factory=list)
    _lines: int = 0
    _rotations: int = 0

    @property
    def current(self) -> Path:
        """The file that is written."""
        return self.folder / "0.log"

    def write(self, text: str, stream: str = "stdout", tag: str = "F", to: Path | None = None) -> None:
        """Write one line of a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = (START + timedelta(milliseconds=self._lines)).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
        self._lines += 1
        with (to or self.current).open("a") as file:
            file.write(f"{stamp}Z {stream} {tag} {text}\n")

    def print(self, first: int, last: int) -> None:
        """Print numbered lines."""
        for number in range(first, last):
            self.texts.append(f"line {number}")
            self.write(self.texts[-1])

    def rotate(self) -> Path:
        """Rotate as the kubelet does, and return the renamed file; the runtime begins another when it writes."""
        rotated = sorted(each for each in self.folder.iterdir() if each.name != "0.log")
        for each in rotated[: max(len(rotated) - (MAX_FILES - 2), 0)]:
            each.unlink()
        for each in rotated:
            if each.exists() and each.suffix != ".gz":
                each.with_name(each.name + ".gz").write_bytes(gzip.compress(each.read_bytes()))
                each.unlink()
        self._rotations += 1
        time = START + timedelta(seconds=10 * self._rotations)
        return self.current.rename(self.folder / f"0.log.{time:%Y%m%d-%H%M%S}")

    def delete(self) -> None:
        """Delete all files, as with their pod."""
        for each in self.folder.iterdir():
            each.unlink()
        self.folder.rmdir()
