"""Paths of files in a volume. Pure.

A path is relative to the volume with or without a leading slash; in the object store it is the end of the key.
"""

from __future__ import annotations

import unicodedata

from icefield_apiserver.core.errors import BadRequest

MAX_BYTES = 768
"""S3 keys have at most 1024 bytes; the rest is the workspace's, the database's and the volume's name."""


def normalised(path: str) -> str:
    """Return a path without empty parts and leading or trailing slashes; empty for the volume itself.

    Raises:
        BadRequest: it leaves the volume, or is not a valid key.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadRequest("A path must not hold `..`: files of a volume stay inside it.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        raise BadRequest("A path must not hold control characters.")
    clean = "/".join(parts)
    if len(clean.encode()) > MAX_BYTES:
        raise BadRequest(f"A path has at most {MAX_BYTES} bytes.")
    return clean


def file_path(path: str) -> str:
    """Return the path of a file.

    Raises:
        BadRequest: it does not name a file.
    """
    if not (clean := normalised(path)) or path.endswith("/"):
        raise BadRequest("The path must name a file.")
    return clean


def upload_path(path: str | None, filename: str | None) -> str:
    """Return the path of an uploaded file: the path given, or the file's own name in the folder given.

    Raises:
        BadRequest: neither names a file.
    """
    own = (filename or "").replace("\\", "/").rpartition("/")[2]
    if path is None or not path.strip("/"):
        return file_path(own)
    return file_path(f"{path}{own}") if path.endswith("/") else file_path(path)


def sql_path(database: str, volume: str, path: str) -> str:
    """Return the path by which SQL statements name a file of a volume."""
    return f"volumes/{database}/{volume}/{path}"
