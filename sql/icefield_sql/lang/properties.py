"""Properties of tables, views and namespaces that no caller may set, whichever way they come in.

A property can move a table's files, and name a Java class that every engine which opens the table loads: Iceberg reads
some itself (TableProperties), and hands all of them to the Hadoop configuration that Parquet's and ORC's writers use.
"""

from __future__ import annotations

import re
import unicodedata

MAX_KEY, MAX_VALUE = 512, 65_536
"""Longest key and value of a property, in characters."""

# Owners, dbt, Airflow and people set properties of their own: a list of what is allowed would break them. What is
# refused is therefore refused by families, wider than what any engine reads today.
_SPACE = re.compile(r"\s+")
_WORDS = re.compile(r"[.\-]")
_ALL_WORDS = re.compile(r"[.\-_]")
_OF_COLUMN = re.compile(r"(?<=\.column)\..*")
"""What follows is a column's name, in properties of Iceberg such as `write.metadata.metrics.column.path`."""
_LOCATIONS = frozenset({"location", "path", "paths", "uri", "warehouse"})
_FILES = frozenset({"manifest-list", "manifest_list", "metadata_location", "previous_metadata_location"})
"""What catalogs call the files of a table; Hive keeps them beside its properties."""
_SAFE = frozenset({"write.object-storage.partitioned-paths"})
_CLASSES = frozenset({"class", "classname", "factory", "impl", "loader"})
_ACCESS = frozenset({"credential", "credentials", "password", "secret", "signer", "token"})
_KEYS = ("accesskey", "privatekey", "secretkey")
_FAMILIES = (
    "abfs.", "abfss.", "adls.", "catalog.", "client.", "credentials.", "dfs.", "dynamodb.", "encryption.", "fs.",
    "gcs.", "glue.", "gs.", "hadoop.", "header.", "hive.", "io.", "ipc.", "java.", "javax.", "jdbc.", "kms.", "lock.",
    "mapred.", "mapreduce.", "net.", "oauth2.", "option.", "orc.encrypt", "orc.key", "orc.mask", "oss.",
    "parquet.crypto", "parquet.encryption", "parquet.private", "parquet.read", "rest.", "s3.", "s3a.", "s3n.",
    "security.", "wasb.", "wasbs.", "write.location-provider", "yarn.",
)  # fmt: skip
"""What the keys begin with that say how engines reach and write files."""


def property_problem(key: str, value: str) -> str | None:
    """Return the reason, as a sentence, why a property cannot be set; None when it can.

    Keys are compared without case, spaces and width: what reads them may be less strict than Iceberg.

    Args:
        key: such as `write.format.default`.
        value: its value.
    """
    shown = key if len(key) <= 80 else key[:80] + "…"
    if not key.strip():
        return "A property needs a name."
    if len(key) > MAX_KEY or len(value) > MAX_VALUE:
        return f"The property {shown} is longer than {MAX_KEY} characters, or its value than {MAX_VALUE}."
    if not key.replace("\t", " ").strip().isprintable():
        return f"The property {shown!r} has a character that is not visible."
    plain = _SPACE.sub("", unicodedata.normalize("NFKC", key).casefold())
    if plain in _SAFE:
        return None
    if plain.startswith("write."):
        plain = _OF_COLUMN.sub("", plain)
    last = _WORDS.split(plain)[-1]
    if last in _LOCATIONS or plain in _FILES:
        return f"The property {shown} is not supported; where files lie is the catalog's decision."
    is_access = last == "endpoint" or not _ACCESS.isdisjoint(_ALL_WORDS.split(plain))
    if is_access or any(each in _ALL_WORDS.sub("", plain) for each in _KEYS):
        return f"The property {shown} is not supported; what opens files is not a table's to say, and all read it."
    if last in _CLASSES or plain.startswith(_FAMILIES):
        return f"The property {shown} is not supported; how engines reach and write files is not a table's decision."
    return None
