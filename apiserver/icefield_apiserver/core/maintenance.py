"""How REST declares the maintenance of tables: the fields of `icefield_crds.maintenance.model` in REST's spelling."""

from __future__ import annotations

from pydantic import BaseModel, Field

from icefield_apiserver.core.schemas import RequestBody
from icefield_crds.maintenance import model


class CompactionRead(BaseModel):
    """Small data files are rewritten into larger ones (Iceberg's rewrite_data_files)."""

    target_file_size_bytes: int | None = Field(
        default=None,
        ge=model.MIN_FILE_BYTES,
        le=model.MAX_FILE_BYTES,
        description="Target size of the files; the table's write.target-file-size-bytes when absent.",
    )
    min_input_files: int | None = Field(
        default=None,
        ge=2,
        le=model.MAX_INPUT_FILES,
        description="Fewer files of a partition are left as they are; 5 when absent.",
    )


class ManifestRewriteRead(BaseModel):
    """Manifests are rewritten, so that a scan reads fewer (Iceberg's rewrite_manifests)."""


class SnapshotExpirationRead(BaseModel):
    """Old snapshots are removed, and the files that only they have (Iceberg's expire_snapshots)."""

    max_snapshot_age_hours: int | None = Field(
        default=None,
        ge=1,
        le=model.MAX_HOURS,
        description="Older snapshots expire; the table's history.expire.max-snapshot-age-ms when absent, else 5 days.",
    )
    min_snapshots_to_keep: int | None = Field(
        default=None,
        ge=1,
        le=model.MAX_SNAPSHOTS,
        description="As many are kept however old they are; the table's history.expire.min-snapshots-to-keep when "
        "absent, else 1.",
    )


class OrphanFileRemovalRead(BaseModel):
    """Files below the table's location that no snapshot has are removed (Iceberg's remove_orphan_files)."""

    older_than_hours: int | None = Field(
        default=None,
        ge=model.MIN_ORPHAN_HOURS,
        le=model.MAX_HOURS,
        description="Younger files are kept; 3 days when absent.",
    )


class Compaction(CompactionRead, RequestBody):
    """Small data files are rewritten, as a request declares it."""


class ManifestRewrite(ManifestRewriteRead, RequestBody):
    """Manifests are rewritten, as a request declares it."""


class SnapshotExpiration(SnapshotExpirationRead, RequestBody):
    """Old snapshots are removed, as a request declares it."""


class OrphanFileRemoval(OrphanFileRemovalRead, RequestBody):
    """Files that no snapshot has are removed, as a request declares it."""


class OperationsRead(BaseModel):
    """What is done to each table."""

    compaction: CompactionRead | None = Field(description="Rewrites small data files; null when it is not done.")
    manifest_rewrite: ManifestRewriteRead | None = Field(description="Rewrites manifests; null when it is not done.")
    snapshot_expiration: SnapshotExpirationRead | None = Field(
        description="Removes old snapshots; null when it is not done."
    )
    orphan_file_removal: OrphanFileRemovalRead | None = Field(
        description="Removes files that no snapshot has; null when it is not done."
    )


class MaintenanceDeclared(OperationsRead):
    """Maintenance of one table, or of all tables of a database that have no declaration of their own."""

    database: str = Field(description="Name of the database.")
    table: str | None = Field(
        description="Name of the table below it, with its schema unless that is `default`; null for all of them."
    )


def declared_of(maintenance: model.Maintenance) -> MaintenanceDeclared:
    """Return a declaration as REST shows it, with the operations that are done when it has none."""
    operations = maintenance.effective.model_dump(include=set(model.Operations.model_fields))
    return MaintenanceDeclared(database=maintenance.database, table=maintenance.table, **operations)
