"""Errors of an application before Spark starts it."""

from __future__ import annotations


class ApplicationError(Exception):
    """A mistake in the application, in one sentence for its owner."""
