"""Schema versions, applied by Alembic when the server starts."""
