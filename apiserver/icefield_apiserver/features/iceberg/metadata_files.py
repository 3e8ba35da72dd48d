"""Metadata files that are registered as tables: read and checked first, since whoever registers one has written it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from typing import Any

from icefield_apiserver.core.errors import BadRequest, NotFound
from icefield_apiserver.core.json_text import parse_unambiguous_json
from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.core.objects.workspace_stores import WorkspaceStores

from .rules import check_table_metadata
from .shapes import shown

MAX_METADATA_BYTES = 32 * 1024 * 1024
"""Longest metadata file that can be registered, compressed or not; parsed, it takes a few times as much memory."""
_GZIP = b"\x1f\x8b"
"""How a compressed file begins, which no JSON does: catalogs tell them apart by this, or by the name."""


class MetadataFiles:
    """Reads and checks metadata files of tables.

    Args:
        stores: the workspaces' files, which are read with each workspace's own keys.
    """

    def __init__(self, stores: WorkspaceStores) -> None:
        self._stores = stores

    async def check(self, workspace: str, root: StoreRoot, location: str) -> None:
        """Reject a file that says what no commit may say.

        Args:
            workspace: slug.
            root: its part of the object store.
            location: the file's, below `root`.

        Raises:
            BadRequest: a property or a location in it is not allowed, or it cannot be read.
            Unavailable: the object store does not answer.
        """
        try:
            content = await self._stores.fetch(workspace, location, MAX_METADATA_BYTES)
        except NotFound as error:
            raise BadRequest(f"There is no metadata file at {shown(location)}.") from error
        await asyncio.to_thread(check_table_metadata, root, await _parsed(content, location))


async def _parsed(content: bytes, location: str) -> Mapping[str, Any]:
    try:
        metadata = await parse_unambiguous_json(await asyncio.to_thread(decompressed, content))
    except BadRequest as error:
        raise BadRequest(
            f"The metadata file at {shown(location)} is not valid JSON, or not one that all read alike."
        ) from error
    if not isinstance(metadata, Mapping):
        raise BadRequest(f"The metadata file at {shown(location)} has no JSON object.")
    return metadata


def decompressed(content: bytes) -> bytes:
    """Return the JSON of a metadata file, which may be compressed.

    Raises:
        BadRequest: it is too long, or not one whole stream of gzip: of several, some read only the first.
    """
    if not content.startswith(_GZIP):
        return content
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(content, MAX_METADATA_BYTES)
    except zlib.error as error:
        raise BadRequest("The metadata file is not valid gzip.") from error
    if stream.unconsumed_tail:
        raise BadRequest(f"The metadata file is longer than {MAX_METADATA_BYTES} bytes.")
    if not stream.eof or stream.unused_data:
        raise BadRequest("The metadata file is not one whole stream of gzip.")
    return text
