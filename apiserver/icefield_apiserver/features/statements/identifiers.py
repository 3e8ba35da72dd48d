"""Ids of statements: `stmt_` and the 32 hex digits of a UUID of version 7 (RFC 9562), so that they sort by time."""

from __future__ import annotations

import re
import secrets
import time
from datetime import datetime

PREFIX = "stmt_"
_FORM = re.compile(r"stmt_[0-9a-f]{32}")


def new_id() -> str:
    """Return an id for a statement that is submitted now."""
    milliseconds = time.time_ns() // 1_000_000
    version, variant = 0x7000 | secrets.randbits(12), 0x8000 | secrets.randbits(14)
    return f"{PREFIX}{milliseconds:012x}{version:04x}{variant:04x}{secrets.token_hex(6)}"


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    return _FORM.fullmatch(text) is not None


def first_id(moment: datetime) -> str:
    """Return what sorts before every id that is made from a moment on."""
    return f"{PREFIX}{max(0, int(moment.timestamp() * 1000)):012x}"
