"""What a caller wants to happen to a run for which there is no slot."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field


class OnQuota(StrEnum):
    """What happens to a run for which there is no slot."""

    REFUSE = "refuse"
    QUEUE = "queue"


OnQuotaField = Annotated[
    OnQuota,
    Field(
        description="What happens when max_running_runs runs are running: refuse (429), or queue: the run waits for "
        "its turn, as one that was applied with kubectl does."
    ),
]
