"""Volumes: folders of files in databases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.create_table(
        "volumes",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("workspace_uid", sa.String(36), nullable=False),
        sa.Column("database", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("created_by", sa.String(253), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
        sa.UniqueConstraint("workspace_uid", "database", "name", name="uq_volumes_workspace_uid"),
    )


def downgrade() -> None:
    """Move one version back."""
    op.drop_table("volumes")
