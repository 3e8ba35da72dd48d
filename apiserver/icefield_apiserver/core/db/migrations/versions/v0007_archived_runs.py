"""Runs that have ended and left Kubernetes; lineage by age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.create_table(
        "archived_runs",
        sa.Column(
            "uid",
            sa.String(36).with_variant(postgresql.VARCHAR(36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("public_id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("job", sa.String(253), nullable=True),
        sa.Column("job_uid", sa.String(36), nullable=True),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("sort_key", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_archived_runs"),
    )
    for columns in (
        ("sort_key", "uid"),
        ("job", "sort_key", "uid"),
        ("phase", "sort_key", "uid"),
        ("job_uid",),
        ("public_id",),
        ("name",),
        ("finished_at",),
    ):
        named = "_".join(column for column in columns if column != "uid")
        op.create_index(f"ix_archived_runs_workspace_uid_{named}", "archived_runs", ["workspace_uid", *columns])
    op.create_index("ix_lineage_workspace_uid_at", "lineage", ["workspace_uid", "at"])


def downgrade() -> None:
    """Move one version back."""
    op.drop_index("ix_lineage_workspace_uid_at", "lineage")
    op.drop_table("archived_runs")
