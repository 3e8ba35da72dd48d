"""Properties of tables, views and namespaces that no caller may set, whichever way they come in.

A property can move a table's files, and name a Java class that every engine which opens the table loads: Iceberg reads
some itself (TableProperties), and hands all of them to the Hadoop configuration that Parquet's and ORC's writers use.
"""

from __future__ import annotations

import re

MAX_KEY, MAX_VALUE = 512, 65_536
"""Longest key and value of a property, in characters."""

_SPACE = re.compile(r"[\s\x00-\x1f]+")
_WORDS = re.compile(r"[.\-]")
_LOCATIONS = frozenset({"location", "path", "paths", "uri", "warehouse"})
_SAFE = frozenset({"write.object-storage.partitioned-paths"})
_CLASSES = frozenset({"class", "classname", "factory", "impl", "loader"})
_FAMILIES = (
    "adls.", "catalog.", "client.", "credentials.", "dfs.", "dynamodb.", "encryption.", "fs.", "gcs.", "glue.",
    "hadoop.", "header.", "hive.", "io.", "ipc.", "java.", "javax.", "jdbc.", "kms.", "lock.", "mapred.",
    "mapreduce.", "net.", "oauth2.", "option.", "orc.encrypt", "orc.key", "orc.mask", "parquet.crypto",
    "parquet.encryption", "rest.", "s3.", "security.", "write.location-provider", "yarn.",
)  # fmt: skip
"""What the keys begin with that say how engines reach and write files."""


def property_problem(key: str, value: str) -> str | None:
    """Return the reason, as a sentence, why a property cannot be set; None when it can.

    Keys are compared without case and spaces: what reads them may be less strict than Iceberg.

    Args:
        key: such as `write.format.default`.
        value: its value.
    """
    shown = key if len(key) <= 80 else key[:80] + "…"
    if not key.strip():
        return "A property needs a name."
    if len(key) > MAX_KEY or len(value) > MAX_VALUE:
        return f"The property {shown} is longer than {MAX_KEY} characters, or its value than {MAX_VALUE}."
    plain = _SPACE.sub("", key.lower())
    last = _WORDS.split(plain)[-1]
    if plain in _SAFE:
        return None
    if last in _LOCATIONS:
        return f"The property {shown} is not supported; where files lie is the catalog's decision."
    if last in _CLASSES or plain.startswith(_FAMILIES):
        return f"The property {shown} is not supported; how engines reach and write files is not a table's decision."
    return None
