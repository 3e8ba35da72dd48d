"""Where a path in a statement is in the object store. Pure.

Statements read and write files of volumes, and what else is in the workspace's prefix, but for the platform's own
folders (icefield_crds.object_store.PLATFORM_FOLDERS).
"""

from __future__ import annotations

from dataclasses import dataclass

from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.core.objects.transfers import ObjectInfo
from icefield_crds.object_store import PLATFORM_FOLDERS
from icefield_sql import FilePath, SqlError, StoredFile

from .models import Volume

_WILD = frozenset("*?[]\\")


@dataclass(frozen=True)
class Place:
    """A path below a prefix.

    Attributes:
        bucket: the bucket.
        prefix: prefix of the keys, without a slash at its end.
        path: what follows, which may be a pattern.
        shown: what stands before `path` in statements, with a slash at its end.
    """

    bucket: str
    prefix: str
    path: str
    shown: str


def place_in_volume(path: FilePath, root: StoreRoot, volume: Volume) -> Place:
    """Return the place of a path in a volume.

    Args:
        path: the path.
        root: the workspace's part of the object store.
        volume: the volume.
    """
    folder = f"volumes/{volume.database}/{volume.name}"
    return Place(root.bucket, f"{root.prefix}/{folder}", path.path, f"{folder}/")


def place_in_store(path: FilePath, root: StoreRoot) -> Place:
    """Return the place of an s3:// address.

    Args:
        path: the path.
        root: the workspace's part of the object store.

    Raises:
        SqlError: it is elsewhere, or in a folder of the platform.
    """
    below = path.path.removeprefix(f"{root.prefix}/")
    first, _, rest = below.partition("/")
    if path.bucket != root.bucket or below == path.path or not below:
        raise SqlError(f"{path.text!r} is not below {root}, which is the workspace's part of the object store.")
    if not _WILD.isdisjoint(first) and (rest or first == "**"):
        raise SqlError(f"The first folder of {path.text!r} below {root} is named in full.")
    if first in PLATFORM_FOLDERS:
        raise SqlError(f"The folder {first} of the workspace holds no files for statements; {_INSTEAD[first]}.")
    return Place(root.bucket, root.prefix, below, str(root))


_INSTEAD = {
    "tables": "read tables by their names",
    "results": "read results of statements through the API",
    "runs": "read results of runs through the API",
    "artifacts": "read programs through the API",
}


def path_prefix(path: str) -> str:
    """Return the part of a pattern that stands for itself."""
    ends = [path.index(character) for character in "*?[]" if character in path]
    return path[: min(ends)] if ends else path.rstrip("/") + ("/" if path.endswith("/") else "")


def stored_file(place: Place, found: ObjectInfo) -> StoredFile:
    """Return a file that was found at a place.

    Raises:
        SqlError: engines would take its name for a pattern.
    """
    path = found.key.removeprefix(f"{place.prefix}/")
    if not _WILD.isdisjoint(path):
        raise SqlError(f"The file {place.shown}{path} has a character of patterns in its name; rename it.")
    return StoredFile(f"{place.shown}{path}", f"s3://{place.bucket}/{found.key}", found.etag, found.size)
