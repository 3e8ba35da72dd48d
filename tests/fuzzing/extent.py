"""How many requests are made, and which; the program that makes many passes it to the test by the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

REQUESTS, SEED = "ICEFIELD_FUZZ_REQUESTS", "ICEFIELD_FUZZ_SEED"
WHOLE = 10_000
"""Enough for each boundary of each field, some 5,300, and nearly as many again."""


@dataclass(frozen=True)
class Extent:
    """The extent of a run.

    Attributes:
        requests: how many requests.
        seed: the same requests come of the same seed, as far as what exists is the same.
    """

    requests: int = 700
    seed: int = 1

    @classmethod
    def from_environment(cls) -> Extent:
        """Return what the environment says."""
        return cls(int(os.environ.get(REQUESTS, cls.requests)), int(os.environ.get(SEED, cls.seed)))

    @property
    def environment(self) -> dict[str, str]:
        """The environment that says so."""
        return {REQUESTS: str(self.requests), SEED: str(self.seed)}

    @property
    def is_whole(self) -> bool:
        """Whether there are enough for the boundaries."""
        return self.requests >= WHOLE
