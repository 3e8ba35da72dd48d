"""REST schemas of logs."""

from __future__ import annotations

from pydantic import BaseModel, Field


class LogLine(BaseModel):
    """One line of a log."""

    timestamp: str = Field(description="RFC 3339, nanoseconds.", examples=["2026-06-01T08:00:00.123456789Z"])
    message: str = Field(description="The line, without its newline; of one longer than 256 KiB, a piece.")
    task: str = Field(description="Key of the task; main for a single command.")
    attempt: int = Field(description="Number of the attempt, from 0.")
    continues: bool | None = Field(None, description="true: it continues the line before it; absent otherwise.")
    gap: bool | None = Field(None, description="true: lines are missing here; absent otherwise.")
