"""Artifacts: programs for Spark."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.create_table(
        "spark_artifacts",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(128), nullable=False),
        sa.Column("main_class", sa.String(512), nullable=True),
        sa.Column("py_files", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(253), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spark_artifacts"),
        sa.UniqueConstraint("workspace_uid", "name", "version", name="uq_spark_artifacts_workspace_uid"),
    )


def downgrade() -> None:
    """Move one version back."""
    op.drop_table("spark_artifacts")
