"""What goes wrong with an application before Spark has it."""

from __future__ import annotations


class ApplicationError(Exception):
    """Something that the application's owner can put right, in one sentence."""
