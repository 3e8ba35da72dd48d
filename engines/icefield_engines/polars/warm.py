"""Imports and first uses that take long, before there is a workload that would wait for them."""

from __future__ import annotations


def up() -> None:
    """Load all that a workload needs, and use it once."""
    from . import destination, query, run, script  # noqa: F401
