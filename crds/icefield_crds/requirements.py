"""Pure: the Python packages that a program asks for, and the environment that is built of them once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import Field

MAX_REQUIREMENTS = 100
MAX_REQUIREMENT_LENGTH = 512
MAX_LOCK_LENGTH = 131072
"""Annotations of a pod, as which the builder gets them, have 256 KiB at most."""
FORMAT = 1
"""Of how environments are built and stored; another one builds all of them again."""
ENVIRONMENT_DIRECTORY = "/environment"
"""Where an environment is made and mounted: it cannot be moved."""

_REQUIREMENT = (
    r"^[A-Za-z0-9][A-Za-z0-9._-]* *(\[[A-Za-z0-9., _-]*\])? *"
    r"(\(?[=~!<>][=~!<>A-Za-z0-9.*+, -]*\)?|@ *https://[^@ ;]+)? *(;[ -~]*)?$"
)
Requirement = Annotated[str, Field(max_length=MAX_REQUIREMENT_LENGTH, pattern=_REQUIREMENT)]
IN_WORDS = {
    _REQUIREMENT: "should be a requirement such as polars-ds>=0.10 (PEP 508): a package, its versions, or @ https://… "
    "of a wheel; no option, path, or URL with a password",
}
_UV_LOCK = re.compile(r"^\[\[package\]\]", re.MULTILINE)
_LOCK_VERSION = re.compile(r"^lock-version\s*=", re.MULTILINE)


class Requirements(NamedTuple):
    """What an environment is built of: requirements, or a lock instead."""

    lines: tuple[str, ...]
    """PEP 508."""
    lock: str | None
    """A pylock.toml (PEP 751), or requirements with hashes."""


NO_REQUIREMENTS = Requirements((), None)


def requirements_of(lines: Sequence[str], lock: str | None) -> Requirements | None:
    """Return what a program asks for; None when it asks for nothing.

    Args:
        lines: PEP 508.
        lock: in place of them, unless it is empty.
    """
    if lock:
        return Requirements((), lock)
    return Requirements(tuple(sorted(set(lines))), None) if lines else None


def environment_digest(requirements: Requirements, image: str) -> str:
    """Return the name of the environment that requirements become in an image: 64 hex digits."""
    text = json.dumps([FORMAT, image, *requirements])
    return hashlib.sha256(text.encode()).hexdigest()


def lock_problem(lock: str) -> str | None:
    """Return why a text is no lock that can be installed, in words; None when it may be one."""
    if not lock.strip():
        return None
    if _LOCK_VERSION.search(lock):
        return None
    if _UV_LOCK.search(lock):
        return "field lock is a uv.lock, which belongs to a project: send what `uv export --format pylock.toml` prints"
    if "--hash=" not in lock:
        return "field lock should be a pylock.toml, or requirements with hashes (uv pip compile --generate-hashes)"
    lines = (line for line in lock.splitlines() if not line.lstrip().startswith("#"))
    options = (word for line in lines for word in line.split() if word.startswith("-") and word[:7] != "--hash=")
    if option := next(options, None):
        return f"field lock has the option {option[:60]}, and may have --hash alone"
    return None
