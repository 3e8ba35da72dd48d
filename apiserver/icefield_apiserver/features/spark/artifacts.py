"""Artifacts: versioned programs for Spark; rows in the database, files in the object store."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from icefield_apiserver.core.errors import ApiError, BadRequest, NotFound, QuotaExceeded
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_apiserver.core.objects.workspace_stores import WorkspaceStores
from icefield_apiserver.identity.principal import Principal
from icefield_crds.object_store import artifact_key, workspace_prefix

from .models import SparkArtifact
from .store import ARTIFACT_ID, ArtifactStore

log = logging.getLogger(__name__)

MAX_ARTIFACTS = 1000
"""Maximum number of versions, of all artifacts together, in a workspace."""
SUFFIXES = (".py", ".jar", ".zip")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CLASS = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,511}")
MAX_PY_FILES_LENGTH = 4096
_REMOTE = ("s3://", "s3a://")


@dataclass(frozen=True)
class Upload:
    """The fields of an upload besides its file.

    Attributes:
        file: name of the file.
        name: name of the artifact; the file's name without its suffix when None.
        main_class: main class of a jar.
        py_files: further Python files, separated by commas.
    """

    file: str
    name: str | None = None
    main_class: str | None = None
    py_files: str | None = None


class ArtifactService:
    """Finds, stores and deletes artifacts, each call inside the caller's workspace.

    Args:
        rows: the rows in the database.
        cluster: the Workspaces.
        secrets: name of the bucket.
        stores: where the files are.
    """

    def __init__(
        self, rows: ArtifactStore, cluster: Cluster, secrets: WorkspaceSecrets, stores: WorkspaceStores
    ) -> None:
        self._rows = rows
        self._cluster = cluster
        self._secrets = secrets
        self._stores = stores

    async def listed(self, principal: Principal, *, all_versions: bool = False) -> list[SparkArtifact]:
        """Return the workspace's artifacts by name, each in its newest version or in all, newest first."""
        rows = await self._rows.all(self._uid(principal))
        return rows if all_versions else list({row.name: row for row in reversed(rows)}.values())[::-1]

    async def find(self, principal: Principal, name_or_id: str) -> SparkArtifact | None:
        """Return the artifact of this id, or the newest version of this name; None when there is none."""
        return await self._rows.newest(self._uid(principal), name_or_id)

    async def create(
        self, principal: Principal, upload: Upload, chunks: AsyncIterator[bytes], longest: int
    ) -> SparkArtifact:
        """Store a file as the next version of its artifact; an interrupted upload leaves nothing behind.

        Args:
            principal: the caller.
            upload: its fields.
            chunks: content of the file.
            longest: maximum size in bytes.

        Raises:
            BadRequest: it is no program, its name is not allowed, or it is too long.
            QuotaExceeded: the workspace has the maximum number of artifacts.
        """
        name = _checked_name(upload)
        await self._check_room(principal)
        artifact = SparkArtifact(
            id=f"art_{uuid.uuid4().hex[:12]}",
            workspace_uid=self._uid(principal),
            name=name,
            file=upload.file,
            main_class=upload.main_class,
            py_files=upload.py_files,
            created_by=principal.person,
        )
        folder, _, file = self._key(principal, artifact).rpartition("/")
        artifact.size = await self._stores.write(
            principal.workspace, folder, file, "application/octet-stream", chunks, longest
        )
        try:
            return await self._rows.add(artifact)
        except BaseException:
            await self._delete_file(principal, artifact)
            raise

    async def delete(self, principal: Principal, name_or_id: str) -> None:
        """Delete an artifact: all versions of a name, or the one with an id.

        Raises:
            NotFound: there is none.
        """
        rows = await self._rows.delete(self._uid(principal), name_or_id)
        if not rows:
            raise NotFound(f"There is no artifact {name_or_id} in workspace {principal.workspace}.")
        for row in rows:
            await self._delete_file(principal, row)

    async def uri(self, principal: Principal, artifact: SparkArtifact) -> str:
        """Return the location of an artifact's file: s3://…."""
        bucket = (await self._secrets.object_store(principal.workspace)).bucket
        return f"s3://{bucket}/{self._key(principal, artifact)}"

    async def program(self, principal: Principal, named: str, field: str) -> tuple[str, SparkArtifact | None]:
        """Return (URI, artifact) of a program: an artifact's name or id, or an object of the workspace.

        Args:
            principal: the caller.
            named: `s3://…`, or name or id of an artifact.
            field: the request's field.

        Raises:
            BadRequest: there is no such artifact, or the object is not the workspace's.
        """
        if named.startswith(_REMOTE):
            bucket = (await self._secrets.object_store(principal.workspace)).bucket
            root = f"{bucket}/{workspace_prefix(principal.workspace)}/"
            if not named.partition("://")[2].startswith(root) or "/../" in named:
                raise BadRequest(f"Field {field}: {named} is not the workspace's; that is all below s3://{root}.")
            return named, None
        artifact = await self.find(principal, named)
        if artifact is None:
            raise BadRequest(f"Field {field}: there is no artifact {named}; upload it, or give an s3:// address.")
        return await self.uri(principal, artifact), artifact

    async def _check_room(self, principal: Principal) -> None:
        current = await self._rows.count(self._uid(principal))
        if current >= MAX_ARTIFACTS:
            raise QuotaExceeded(f"Quota exceeded: max_artifacts={MAX_ARTIFACTS}, current={current}; delete some.")

    async def _delete_file(self, principal: Principal, artifact: SparkArtifact) -> None:
        """Delete an artifact's file; while the store is unavailable it stays, without a row."""
        folder, _, file = self._key(principal, artifact).rpartition("/")
        try:
            await self._stores.delete(principal.workspace, folder, file)
        except ApiError as error:
            log.warning("the file of artifact %s is left behind: %s", artifact.id, error.sentence)

    def _key(self, principal: Principal, artifact: SparkArtifact) -> str:
        return artifact_key(principal.workspace, artifact.id, artifact.file)

    def _uid(self, principal: Principal) -> str:
        return self._cluster.workspace_directory.existing(principal.workspace).metadata.uid


def _checked_name(upload: Upload) -> str:
    """Return the name of an upload's artifact; raise BadRequest where a field is not allowed."""
    if not upload.file.endswith(SUFFIXES) or not _NAME.fullmatch(upload.file):
        raise BadRequest(
            f"The file {upload.file!r} is no program for Spark: its name is of letters, digits, dots, dashes and "
            f"underscores, and ends with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    if upload.main_class and not _CLASS.fullmatch(upload.main_class):
        raise BadRequest(f"Field mainClass: {upload.main_class[:100]!r} is not the name of a class.")
    if len(upload.py_files or "") > MAX_PY_FILES_LENGTH:
        raise BadRequest(f"Field pyFiles: it is longer than {MAX_PY_FILES_LENGTH} characters.")
    name = upload.name or upload.file.rpartition(".")[0]
    if not _NAME.fullmatch(name) or ARTIFACT_ID.fullmatch(name):
        raise BadRequest(f"The name {name!r} is not allowed: use letters, digits, dots, dashes and underscores.")
    return name
