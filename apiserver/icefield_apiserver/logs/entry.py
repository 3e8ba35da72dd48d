"""One line of a log, from either place it is read from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        timestamp: RFC 3339 with nine digits of a second, as the kubelet writes it; such strings sort by time.
        message: the line without its end.
        task: key of the task.
        attempt: number of the attempt, from 0.
        json: the whole entry as JSON, fields included that are not known here (such as `stream`).
    """

    timestamp: str
    message: str
    task: str
    attempt: int
    json: bytes


def from_archive(line: bytes) -> Entry:
    """Return the entry of an archived line, one JSON object."""
    fields: dict[str, Any] = json.loads(line)
    return Entry(fields["timestamp"], fields["message"], fields["task"], fields["attempt"], line)


def from_pod(line: bytes, task: str, attempt: int) -> Entry:
    """Return the entry of a line that the kubelet serves with timestamps: `<timestamp> <message>`."""
    timestamp, _, message = line.decode(errors="replace").partition(" ")
    fields = {"timestamp": timestamp, "message": message, "task": task, "attempt": attempt}
    return Entry(timestamp, message, task, attempt, json.dumps(fields, ensure_ascii=False).encode())
