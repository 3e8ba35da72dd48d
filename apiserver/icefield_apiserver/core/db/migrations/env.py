"""Alembic's entry point: runs the migrations on the connection of `core.db.migrate`, in its transaction."""

from __future__ import annotations

from alembic import context

from icefield_apiserver.core.db.base import complete_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=complete_metadata(),
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
