"""Paths of files in statements: `volumes/<database>/<volume>/…`, or an s3:// URL. Pure.

A path is taken letter for letter: nothing in it is decoded, and whatever would mean another place to somebody who
decodes it is refused. Its last parts may be a pattern: `*` and `?` within a part, `[a-c]`, and `**` for any folders.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from dataclasses import dataclass

from .errors import SqlError

VOLUMES = "volumes"
MAX_LENGTH = 1024
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ENCODED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)
_WILD = re.compile(r"[*?\[\]]")
_FORMS = "a file is named as 'volumes/<database>/<volume>/<path>', or by its s3:// address in this workspace"
_SHOWN = 100


@dataclass(frozen=True)
class FilePath:
    """A path in a statement, which may be a pattern.

    Args:
        text: as the statement has it.
        database: the database of its volume; None for an s3:// address.
        volume: the volume; None for an s3:// address.
        bucket: the bucket of an s3:// address; None for a volume.
        path: what follows the volume, or the bucket, without a slash at its beginning.
    """

    text: str
    database: str | None
    volume: str | None
    bucket: str | None
    path: str

    @property
    def is_pattern(self) -> bool:
        """Whether it has characters that stand for others."""
        return _WILD.search(self.path) is not None

    @property
    def literal_prefix(self) -> str:
        """Its path up to the first character that stands for others."""
        found = _WILD.search(self.path)
        return self.path if found is None else self.path[: found.start()]


def read_path(text: str) -> FilePath:
    """Return the path that a literal in a statement is.

    Raises:
        SqlError: it can be no file of a workspace.
    """
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if not text.strip() or len(text) > MAX_LENGTH:
        raise SqlError(f"A path of a file has 1 to {MAX_LENGTH} characters; {_FORMS}.")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in text) or "\\" in text:
        raise SqlError(f"The path {shown!r} has a character that paths of files cannot have.")
    if _ENCODED.search(text):
        raise SqlError(f"The path {shown!r} has encoded dots or slashes; paths are taken as they are written.")
    scheme = _SCHEME.match(text)
    if scheme and scheme.group() != "s3:":
        raise SqlError(f"The path {shown!r} cannot be read; {_FORMS}.")
    rest = text.removeprefix("s3://") if scheme else text
    parts = rest.split("/")
    if (scheme and rest == text) or any(part in (".", "..") for part in parts) or "" in parts[:-1]:
        raise SqlError(f"The path {shown!r} has an empty part, `.` or `..`; {_FORMS}.")
    return _of_store(text, parts) if scheme else _of_volume(text, parts, shown)


def _of_store(text: str, parts: list[str]) -> FilePath:
    bucket, *below = parts
    if not below or not "".join(below):
        raise SqlError(f"The path {text!r} names no file in its bucket.")
    return FilePath(text, None, None, bucket, "/".join(below))


def _of_volume(text: str, parts: list[str], shown: str) -> FilePath:
    if parts[0] != VOLUMES or len(parts) < 4:
        raise SqlError(f"The path {shown!r} cannot be read; {_FORMS}.")
    _, database, volume, *below = parts
    if _WILD.search(database) or _WILD.search(volume):
        raise SqlError(f"The path {shown!r} is no pattern of one volume: its database and volume are named in full.")
    return FilePath(text, database, volume, None, "/".join(below))


class FilePattern:
    """What files a path, or a pattern, means.

    A path means the file, or all files in the folder of that name. Names that begin with `_` or `.` are files of
    programs, not data (Spark's rule), unless the pattern writes them.
    """

    def __init__(self, path: str) -> None:
        """Read a path that `read_path` returned."""
        parts = [part for part in path.split("/") if part]
        is_whole_folder = not parts or path.endswith("/") or parts[-1] == _ANY_FOLDERS
        is_open = bool(parts) and _WILD.search(parts[-1]) is not None
        self._parts = [None if part == _ANY_FOLDERS else _part(part) for part in parts]
        self._folder = not is_open or is_whole_folder
        self._file = not is_whole_folder

    def matches(self, path: str) -> bool:
        """Return whether a file is one of them."""
        parts = path.split("/")
        ends = {0}
        for wanted in self._parts:
            if wanted is None:
                ends = {end for begin in ends for end in _shown_from(parts, begin)}
            else:
                ends = {at + 1 for at in ends if at < len(parts) and wanted.fullmatch(parts[at])}
        if self._file and len(parts) in ends:
            return True
        return self._folder and any(at < len(parts) and len(parts) in _shown_from(parts, at) for at in ends)


_ANY_FOLDERS = "**"


def _part(part: str) -> re.Pattern[str]:
    # A pattern of the shell, which fnmatch matches in linear time.
    hidden = r"(?![_.])" if part[0] in "*?[" else ""
    try:
        return re.compile(hidden + fnmatch.translate(part))
    except re.error:
        raise SqlError(f"The pattern {part!r} cannot be read.") from None


def _shown_from(parts: list[str], begin: int) -> list[int]:
    """Return the ends of the runs of shown names from one on, the empty run included."""
    ends = [begin]
    while ends[-1] < len(parts) and not parts[ends[-1]].startswith(("_", ".")):
        ends.append(ends[-1] + 1)
    return ends
