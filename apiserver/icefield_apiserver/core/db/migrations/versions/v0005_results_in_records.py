"""Short results of SQL statements, with the statement's record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move one version ahead."""
    op.add_column("statements", sa.Column("result_content", sa.LargeBinary(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        # Compressing some kilobytes takes longer than writing them.
        op.execute("ALTER TABLE statements ALTER COLUMN result_content SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Move one version back."""
    op.drop_column("statements", "result_content")
