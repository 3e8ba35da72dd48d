"""Rows of files that could not be read: counted, and kept in a file, before the others are committed."""

from __future__ import annotations

import json
from collections.abc import Callable

from icefield_crds.wire.appends import BadRows
from icefield_engines.warehouse.errors import Code, EngineError


def keep(lines: bytes, wanted: BadRows, write: Callable[[str, bytes], None]) -> int:
    """Write the rows to their file, where there is one, and return how many they are.

    Args:
        lines: the rows, as JSON lines.
        wanted: how many may be left out, and where they go.
        write: writes a file, from its address and content.

    Raises:
        EngineError: TOO_MANY_BAD_ROWS; the sentence names the first.
        OSError: the file cannot be written.
    """
    count = lines.count(b"\n")
    if count > wanted.limit:
        first = json.loads(lines.partition(b"\n")[0])
        raise EngineError(
            Code.TOO_MANY_BAD_ROWS,
            f"More than {wanted.limit} rows cannot be read; the first is {first['file']}, line {first['line']}: "
            f"{first['reason']}",
        )
    if count and wanted.location:
        write(wanted.location, lines)
    return count
