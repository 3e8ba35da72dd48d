"""The procedures of Iceberg's Spark extension of a maintenance (Iceberg, "Spark Procedures"). Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.errors import BadRequest

from .plan import MaintenanceOperation, MaintenancePlan

_PLAIN = re.compile(r"[A-Za-z_]\w*")


def statements_of(catalog: str, namespace: Namespace, table: str, plan: MaintenancePlan) -> list[str]:
    """Return the CALL statements of a maintenance, in its order.

    Args:
        catalog: name of the workspace's catalog in SQL.
        namespace: where the table is.
        table: its name.
        plan: what to do.

    Raises:
        BadRequest: an operation is listed twice.
    """
    if len(set(plan.operations)) < len(plan.operations):
        raise BadRequest("Field operations: an operation is listed twice.")
    name = ".".join(_identifier(part) for part in (*namespace, table))
    return [_call(catalog, operation, name, plan) for operation in plan.operations]


def _call(catalog: str, operation: MaintenanceOperation, table: str, plan: MaintenancePlan) -> str:
    arguments = {"table": _literal(table)}
    if operation == "compact":
        procedure = "rewrite_data_files"
        # Iceberg's own minimum is five files, which suits a periodic job; a request means two files, too.
        settings = {"min-input-files": 2, "target-file-size-bytes": plan.target_file_size_bytes}
        given = (f"'{name}', '{value}'" for name, value in settings.items() if value is not None)
        arguments["options"] = f"map({', '.join(given)})"
    else:
        procedure = operation
        if plan.older_than is not None:
            arguments["older_than"] = _timestamp(plan.older_than)
        if operation == "expire_snapshots" and plan.retain_last is not None:
            arguments["retain_last"] = str(plan.retain_last)
        if operation == "remove_orphan_files":
            arguments["prefix_listing"] = "true"  # lists with the catalog's FileIO: the engine has no other for S3
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
