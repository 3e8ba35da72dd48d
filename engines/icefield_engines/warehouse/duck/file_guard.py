"""The gateway's own check of calls that read files: exact addresses in the workspace, and options of reading alone."""

from __future__ import annotations

import unicodedata
from typing import Any

from icefield_crds.object_store import PLATFORM_FOLDERS

FILE_FUNCTIONS = frozenset({"read_csv", "read_parquet", "read_json"})
_OPTIONS = frozenset(
    {
        "all_varchar", "allow_quoted_nulls", "auto_detect", "auto_type_candidates", "binary_as_string", "columns",
        "comment", "compression", "convert_strings_to_integers", "dateformat", "decimal_separator", "delim",
        "encoding", "escape", "file_row_number", "filename", "force_not_null", "format", "header",
        "hive_partitioning", "ignore_errors", "map_inference_threshold", "max_line_size", "maximum_depth",
        "maximum_object_size", "names", "new_line", "normalize_names", "null_padding", "nullstr", "parallel",
        "quote", "records", "sample_size", "skip", "store_rejects", "strict_mode", "thousands",
        "timestampformat", "types", "union_by_name",
    }
)  # fmt: skip
_REJECTS = {"rejects_table": "located_errors", "rejects_scan": "located_scans"}
"""The only tables that a call may keep rejected rows in besides DuckDB's own (`bad_rows`)."""
_MAKERS = frozenset({"list_value", "struct_pack"})
WILD = frozenset("*?[]\\")
Tree = dict[str, Any]


def problem_of_call(function: Tree, root: str) -> str | None:
    """Return the reason, as a sentence, why files cannot be read so; None where they can.

    Args:
        function: the call, as json_serialize_sql writes it.
        root: s3:// URL of the workspace's prefix, without a slash at its end.
    """
    first, *rest = function.get("children") or [{}]
    addresses = _texts(first)
    if not addresses:
        return "Files are read at addresses that are literals."
    for address in addresses:
        if not _is_readable(address, root):
            return f"The file {address[:200]} cannot be read by a statement."
    for argument in rest:
        left = argument.get("left") or {}
        names = left.get("column_names") or []
        name, right = str(names[0]).lower() if len(names) == 1 else "", argument.get("right") or {}
        is_known = name in _OPTIONS or (name in _REJECTS and _text(right) == _REJECTS[name])
        if argument.get("type") != "COMPARE_EQUAL" or not is_known:
            return "An option of files is not allowed."
        if not _is_constant(right):
            return "Options of files are literals."
    return None


def keeps_bad_rows(function: Tree) -> bool:
    """Return whether a call keeps the rows that it cannot read."""
    names = [(argument.get("left") or {}).get("column_names") for argument in function.get("children") or ()]
    return ["store_rejects"] in names


def is_below(address: str, root: str) -> bool:
    """Return whether an address is that of a file in the workspace, outside the platform's own folders."""
    below = address.removeprefix(f"{root}/")
    parts = below.split("/")
    if below == address or not {"", ".", ".."}.isdisjoint(parts) or parts[0] in PLATFORM_FOLDERS:
        return False
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in below)


def _is_readable(address: str, root: str) -> bool:
    return is_below(address, root) and WILD.isdisjoint(address)


def _texts(node: Tree) -> list[str]:
    if node.get("type") == "FUNCTION" and node.get("function_name") == "list_value":
        texts = [_text(child) for child in node.get("children") or ()]
        return [text for text in texts if text is not None] if None not in texts else []
    text = _text(node)
    return [] if text is None else [text]


def _text(node: Tree) -> str | None:
    value = node.get("value") or {}
    is_text = node.get("type") == "VALUE_CONSTANT" and (value.get("type") or {}).get("id") == "VARCHAR"
    return str(value["value"]) if is_text and not value.get("is_null") else None


def _is_constant(node: Tree) -> bool:
    if node.get("type") == "FUNCTION":
        is_maker = str(node.get("function_name", "")).lower() in _MAKERS
        return is_maker and all(map(_is_constant, node.get("children") or ()))
    if node.get("type") == "OPERATOR_CAST":
        return _is_constant(node.get("child") or {})
    return node.get("type") == "VALUE_CONSTANT"
