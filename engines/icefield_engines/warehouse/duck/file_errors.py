"""What DuckDB says of files that it cannot read, as one sentence with the file and the line."""

from __future__ import annotations

import re

_ROW = re.compile(r"CSV Error on Line: (\d+)\n(?:Original Line: .*?\n)?(?P<reason>[^\n]+)", re.DOTALL)
_FILE = re.compile(r"\n  file = ([^\n]+)")
_CONVERTED = re.compile(r'Error when converting column "(.*)"\. (.*)')
_ADVICE = re.compile(r"\n(Try setting|Possible |See |Consider ).*", re.DOTALL)


def sentence_of(message: str, root: str) -> str:
    """Return a message of DuckDB, about a file or not, with paths as statements have them.

    Args:
        message: the message.
        root: s3:// URL of the workspace's prefix, without a slash at its end.
    """
    return _short(message).replace(f"{root}/volumes/", "volumes/")


def _short(message: str) -> str:
    row, file = _ROW.search(message), _FILE.search(message)
    if row is None or file is None:
        return _ADVICE.sub("", message)
    reason = row["reason"].rstrip(".")
    if converted := _CONVERTED.fullmatch(reason):
        reason = f"column {converted[1]}: {converted[2]}"
    return f"Line {row[1]} of {file[1]}: {reason}."
