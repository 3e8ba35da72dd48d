"""The procedures of Iceberg's Spark extension that a maintenance consists of (Iceberg, "Spark Procedures"). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from icefield_apiserver.catalog.loaded import Namespace
from icefield_apiserver.errors import BadRequest
from icefield_apiserver.schemas.catalog import Maintenance, MaintenanceOperation, MaintenanceOptions

_PLAIN = re.compile(r"[A-Za-z_]\w*")


def statements_of(catalog: str, namespace: Namespace, table: str, maintenance: Maintenance) -> list[str]:
    """Return the CALL statements of a maintenance, in its order.

    Args:
        catalog: what SQL calls the workspace's catalog.
        namespace: where the table is.
        table: its name.
        maintenance: what shall be done.

    Raises:
        BadRequest: an operation is there twice.
    """
    if len(set(maintenance.operations)) < len(maintenance.operations):
        raise BadRequest("Field operations: an operation is there twice.")
    name = ".".join(_identifier(part) for part in (*namespace, table))
    options = maintenance.options or MaintenanceOptions()
    return [_call(catalog, operation, name, options) for operation in maintenance.operations]


def _call(catalog: str, operation: MaintenanceOperation, table: str, options: MaintenanceOptions) -> str:
    arguments = {"table": _literal(table)}
    if operation == "compact":
        procedure = "rewrite_data_files"
        # Iceberg's own minimum is five files, which suits a routine; who asks for it wants the two made one.
        settings = {"min-input-files": 2, "target-file-size-bytes": options.target_file_size_bytes}
        given = (f"'{name}', '{value}'" for name, value in settings.items() if value is not None)
        arguments["options"] = f"map({', '.join(given)})"
    else:
        procedure = operation
        if options.older_than is not None:
            arguments["older_than"] = _timestamp(options.older_than)
        if operation == "expire_snapshots" and options.retain_last is not None:
            arguments["retain_last"] = str(options.retain_last)
        if operation == "remove_orphan_files":
            arguments["prefix_listing"] = "true"  # lists with the catalog's own FileIO; the engine has no other for S3
    return f"CALL {_quoted(catalog)}.system.{procedure}({', '.join(f'{n} => {v}' for n, v in arguments.items())})"


def _timestamp(moment: datetime) -> str:
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"TIMESTAMP '{utc:%Y-%m-%d %H:%M:%S.%f}+00:00'"


def _identifier(part: str) -> str:
    return part if _PLAIN.fullmatch(part) else _quoted(part)


def _quoted(part: str) -> str:
    return f"`{part.replace('`', '``')}`"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
