"""Lineage by the identity of tables, with the edges between them; what a write is recorded with for its lineage."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BATCH = 500
_NAMESPACE = uuid.UUID("5a7c2f0e-7a2b-5d0c-9c53-0c9f8a1d6e44")
_ACCESSES = sa.table(
    "lineage",
    *(sa.column(name) for name in ("source", "direction", "table_name", "workspace_uid", "run_uid", "at")),
)


def upgrade() -> None:
    """Move one version ahead; of what was recorded by name, only the edges of statements are certain."""
    op.add_column("lineage", sa.Column("table_uuid", sa.String(36), nullable=True))
    op.add_column("statements", sa.Column("write_lineage", sa.JSON(), nullable=True))
    tables, flows = _create_tables(), _create_flows()
    _create_edges()
    connection = op.get_bind()
    named = sa.select(_ACCESSES.c.workspace_uid, _ACCESSES.c.table_name, sa.func.max(_ACCESSES.c.at)).group_by(
        _ACCESSES.c.workspace_uid, _ACCESSES.c.table_name
    )
    _copy(tables, (_table(*row) for row in connection.execute(named).all()))
    _copy(flows, (_flow(*row) for row in connection.execute(_edges_of_statements()).all()))
    connection.execute(
        sa.text(
            "INSERT INTO lineage_edges (workspace_uid, source_uuid, target_uuid, inferred, last_at, last_run_uid,"
            " last_statement_id) SELECT workspace_uid, source_uuid, target_uuid, inferred, max(at), max(run_uid),"
            " max(unit) FROM lineage_flows GROUP BY workspace_uid, source_uuid, target_uuid, inferred"
        )
    )


def downgrade() -> None:
    """Move one version back."""
    for table in ("lineage_edges", "lineage_flows", "lineage_tables"):
        op.drop_table(table)
    op.drop_column("statements", "write_lineage")
    op.drop_column("lineage", "table_uuid")


def _create_tables() -> sa.Table:
    table = op.create_table(
        "lineage_tables",
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("is_view", sa.Boolean(), nullable=False),
        sa.Column("is_name_only", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workspace_uid", "uuid", name="pk_lineage_tables"),
    )
    op.create_index("ix_lineage_tables_workspace_uid_name", "lineage_tables", ["workspace_uid", "name"])
    op.create_index("ix_lineage_tables_workspace_uid_seen_at", "lineage_tables", ["workspace_uid", "seen_at"])
    return table


def _create_flows() -> sa.Table:
    table = op.create_table(
        "lineage_flows",
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("source_uuid", sa.String(36), nullable=False),
        sa.Column("target_uuid", sa.String(36), nullable=False),
        sa.Column("unit", sa.String(37), nullable=False),
        sa.Column("run_uid", sa.String(36), nullable=True),
        sa.Column("through_uuid", sa.String(36), nullable=True),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_uid", "source_uuid", "target_uuid", "unit", name="pk_lineage_flows"),
    )
    for columns in (("target_uuid", "at"), ("source_uuid", "at"), ("at",)):
        op.create_index(
            f"ix_lineage_flows_workspace_uid_{'_'.join(columns)}", "lineage_flows", ["workspace_uid", *columns]
        )
    return table


def _create_edges() -> None:
    op.create_table(
        "lineage_edges",
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("source_uuid", sa.String(36), nullable=False),
        sa.Column("target_uuid", sa.String(36), nullable=False),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_run_uid", sa.String(36), nullable=True),
        sa.Column("last_statement_id", sa.String(37), nullable=True),
        sa.PrimaryKeyConstraint("workspace_uid", "source_uuid", "target_uuid", name="pk_lineage_edges"),
    )
    op.create_index("ix_lineage_edges_workspace_uid_target_uuid", "lineage_edges", ["workspace_uid", "target_uuid"])
    op.create_index("ix_lineage_edges_workspace_uid_last_at", "lineage_edges", ["workspace_uid", "last_at"])


def _edges_of_statements() -> sa.Select[Any]:
    read, written = _ACCESSES.alias("r"), _ACCESSES.alias("w")
    return (
        sa.select(read.c.workspace_uid, read.c.table_name, written.c.table_name, read.c.source, read.c.run_uid)
        .add_columns(sa.func.max(written.c.at))
        .join(written, sa.and_(read.c.source == written.c.source, read.c.workspace_uid == written.c.workspace_uid))
        .where(read.c.direction == "read", written.c.direction == "written", read.c.source.like("stmt%"))
        .where(read.c.table_name != written.c.table_name)
        .group_by(read.c.workspace_uid, read.c.table_name, written.c.table_name, read.c.source, read.c.run_uid)
    )


def _table(workspace: str, name: str, seen_at: Any) -> dict[str, Any]:
    identity = {"workspace_uid": workspace, "uuid": _uuid(workspace, name), "name": name}
    return {**identity, "is_view": False, "is_name_only": True, "seen_at": _time(seen_at), "gone_at": None}


def _flow(workspace: str, source: str, target: str, unit: str, run: str | None, at: Any) -> dict[str, Any]:
    return {
        "workspace_uid": workspace,
        "source_uuid": _uuid(workspace, source),
        "target_uuid": _uuid(workspace, target),
        "unit": unit,
        "run_uid": run,
        "through_uuid": None,
        "inferred": False,
        "at": _time(at),
    }


def _uuid(workspace: str, name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{workspace}/{name}"))


def _time(value: Any) -> Any:
    """Return a time; SQLite has none of its own, and gives the text of one."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _copy(table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
    for batch in _batches(iter(rows)):
        op.bulk_insert(table, batch)


def _batches(rows: Iterator[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := [dict(row) for row in islice(rows, _BATCH)]:
        yield batch
