"""SQL statements: whether their record is known to be stored, and what writes found before them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    # Servers of the version before know of no other records than accepted ones.
    op.add_column("statements", sa.Column("is_accepted", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("statements", sa.Column("before_write", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Move one version back."""
    op.drop_column("statements", "before_write")
    op.drop_column("statements", "is_accepted")
