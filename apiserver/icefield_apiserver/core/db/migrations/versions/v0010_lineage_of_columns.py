"""Which columns the columns of a table are made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.create_table(
        "lineage_columns",
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("target_uuid", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("last_statement_id", sa.String(37), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace_uid", "target_uuid", "digest", name="pk_lineage_columns"),
    )
    op.create_index("ix_lineage_columns_workspace_uid_last_at", "lineage_columns", ["workspace_uid", "last_at"])


def downgrade() -> None:
    """Move one version back."""
    op.drop_table("lineage_columns")
