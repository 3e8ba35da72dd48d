"""Why a read is not given to DuckDB."""

from __future__ import annotations


class Untranslatable(Exception):  # noqa: N818
    """DuckDB would not answer as Spark does; the message is the reason."""
