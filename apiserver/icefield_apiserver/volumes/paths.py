"""Paths of files in a volume. Pure.

A path is relative to the volume whether or not it begins with a slash; in the object store it is the end of a key.
"""

from __future__ import annotations

import unicodedata

from icefield_apiserver.errors import BadRequest

MAX_BYTES = 768
"""S3 keys have at most 1024 bytes; the rest is the workspace's, the database's and the volume's name."""


def normalised(path: str) -> str:
    """Return a path without empty parts and slashes at its ends; empty for the volume itself.

    Raises:
        BadRequest: it would leave the volume, or cannot be a key.
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


def of_file(path: str) -> str:
    """Return the path of a file.

    Raises:
        BadRequest: it names none.
    """
    if not (clean := normalised(path)) or path.endswith("/"):
        raise BadRequest("The path must name a file.")
    return clean


def of_upload(path: str | None, filename: str | None) -> str:
    """Return where an uploaded file belongs: its path, or its own name in the folder that the path names.

    Raises:
        BadRequest: neither names a file.
    """
    own = (filename or "").replace("\\", "/").rpartition("/")[2]
    if path is None or not path.strip("/"):
        return of_file(own)
    return of_file(f"{path}{own}") if path.endswith("/") else of_file(path)
