"""Which names of databases a catalog may treat as equal. Pure."""

from __future__ import annotations

import unicodedata


def may_be_same(name: str, other: str) -> bool:
    """Return whether some catalog treats two names as the same database.

    Lakekeeper compares with a collation of ICU, `case_insensitive`, which disregards case, and what differs only beyond
    its second level: width, invisible characters. Other catalogs compare exactly: there too, volumes of `sales` keep
    `SALES` from being dropped.
    """
    return _folded(name) == _folded(other)


def _folded(name: str) -> str:
    visible = "".join(each for each in name if not _is_invisible(each))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


def _is_invisible(character: str) -> bool:
    # Besides format characters: the grapheme joiner and the variation selectors.
    return unicodedata.category(character) == "Cf" or character == "\u034f" or "\ufe00" <= character <= "\ufe0f"
