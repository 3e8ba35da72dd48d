"""SQL statements, and the tables that were read and written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.create_table(
        "statements",
        sa.Column("id", sa.String(37), nullable=False),
        sa.Column("workspace", sa.String(63), nullable=False),
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("warehouse", sa.String(253), nullable=False),
        sa.Column("warehouse_uid", sa.String(36), nullable=False),
        sa.Column("person", sa.String(253), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=True),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("dialect", sa.String(16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("is_write", sa.Boolean(), nullable=False),
        sa.Column("engine", sa.String(16), nullable=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("is_dispatched", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(128), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration_ms", sa.Float(), nullable=True),
        sa.Column("rows_produced", sa.BigInteger(), nullable=True),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("result_schema", sa.JSON(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_uid", sa.String(36), nullable=True),
        sa.Column("context", sa.String(64), nullable=True),
        sa.Column("lineage", sa.JSON(), nullable=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statements"),
        sa.UniqueConstraint("workspace_uid", "person", "idempotency_key", name="uq_statements_idempotency_key"),
    )
    op.create_index("ix_statements_workspace_uid_id", "statements", ["workspace_uid", "id"])
    op.create_index("ix_statements_status_lease_until", "statements", ["status", "lease_until"])
    op.create_index("ix_statements_expires_at", "statements", ["expires_at"])
    op.create_table(
        "lineage",
        sa.Column("source", sa.String(37), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("table_name", sa.String(512), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("run_uid", sa.String(36), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "direction", "table_name", "snapshot_id", name="pk_lineage"),
    )
    op.create_index("ix_lineage_workspace_uid_table_name", "lineage", ["workspace_uid", "table_name"])
    op.create_index("ix_lineage_run_uid", "lineage", ["run_uid"])


def downgrade() -> None:
    """Move one version back."""
    op.drop_table("lineage")
    op.drop_table("statements")
