"""Files that COPY INTO loads into tables, each once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.create_table(
        "copied_files",
        sa.Column("table_uuid", sa.String(36), nullable=False),
        sa.Column("file_id", sa.String(64), nullable=False),
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.String(37), nullable=False),
        sa.Column("is_loaded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("table_uuid", "file_id", name="pk_copied_files"),
    )
    op.create_index("ix_copied_files_statement_id", "copied_files", ["statement_id"])


def downgrade() -> None:
    """Move one version back."""
    op.drop_table("copied_files")
