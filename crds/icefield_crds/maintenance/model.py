"""How a Job declares the maintenance of a database's tables or of one table."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from icefield_crds.meta import Model
from icefield_crds.names import MAX_DATABASE_LENGTH, MAX_TABLE_LENGTH

MIN_FILE_BYTES = 1024**2
MAX_FILE_BYTES = 16 * 1024**3
MAX_INPUT_FILES = 10_000
MAX_HOURS = 10 * 365 * 24
MIN_ORPHAN_HOURS = 24
"""Iceberg's own procedure refuses less: younger files may be those of writes in progress."""
MAX_SNAPSHOTS = 100_000


class Compaction(Model):
    """Data files are rewritten: small ones into larger ones (Iceberg's rewrite_data_files)."""

    target_file_size_bytes: Annotated[
        int | None,
        Field(
            description="Target size of the files; the table's write.target-file-size-bytes when absent.",
            ge=MIN_FILE_BYTES,
            le=MAX_FILE_BYTES,
        ),
    ] = None
    min_input_files: Annotated[
        int | None,
        Field(description="Fewer files of a partition are left as they are; 5 when absent.", ge=2, le=MAX_INPUT_FILES),
    ] = None


class SnapshotExpiration(Model):
    """Old snapshots are removed, and the files that only they have (Iceberg's expire_snapshots)."""

    max_snapshot_age_hours: Annotated[
        int | None,
        Field(
            description="Older snapshots expire; the table's history.expire.max-snapshot-age-ms when absent, else 5 "
            "days.",
            ge=1,
            le=MAX_HOURS,
        ),
    ] = None
    min_snapshots_to_keep: Annotated[
        int | None,
        Field(
            description="As many are kept however old they are; the table's history.expire.min-snapshots-to-keep when "
            "absent, else 1.",
            ge=1,
            le=MAX_SNAPSHOTS,
        ),
    ] = None


class ManifestRewrite(Model):
    """Manifests are rewritten, so that a scan reads fewer (Iceberg's rewrite_manifests)."""


class OrphanFileRemoval(Model):
    """Files below the table's location that no snapshot has are removed (Iceberg's remove_orphan_files)."""

    older_than_hours: Annotated[
        int | None,
        Field(description="Younger files are kept; 3 days when absent.", ge=MIN_ORPHAN_HOURS, le=MAX_HOURS),
    ] = None


class Operations(Model):
    """What is done to each table; without any of them compaction, manifest rewrite and snapshot expiration are."""

    compaction: Annotated[Compaction | None, Field(description="Rewrites small data files.")] = None
    manifest_rewrite: Annotated[ManifestRewrite | None, Field(description="Rewrites manifests.")] = None
    snapshot_expiration: Annotated[SnapshotExpiration | None, Field(description="Removes old snapshots.")] = None
    orphan_file_removal: Annotated[
        OrphanFileRemoval | None, Field(description="Removes files that no snapshot has.")
    ] = None

    @property
    def effective(self) -> Operations:
        """The operations, with those that are done when none is declared."""
        if any(getattr(self, name) is not None for name in Operations.model_fields):
            return self
        return Operations(
            compaction=Compaction(), manifest_rewrite=ManifestRewrite(), snapshot_expiration=SnapshotExpiration()
        )


class Maintenance(Operations):
    """Maintenance of one table, or of all tables of a database that have no declaration of their own."""

    database: Annotated[str, Field(description="Name of the database.", min_length=1, max_length=MAX_DATABASE_LENGTH)]
    table: Annotated[
        str | None,
        Field(
            description="Name of a table of it, such as orders, or raw.orders for one of its schema raw; all tables "
            "without a declaration of their own when absent.",
            min_length=1,
            max_length=MAX_TABLE_LENGTH,
        ),
    ] = None

    @property
    def subject(self) -> tuple[str, str | None]:
        """What it is about: database and table, in the letter case in which they are compared."""
        return self.database.lower(), self.table and self.table.lower()
