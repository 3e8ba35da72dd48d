"""Artifacts: programs for Spark, in versions; rows here, files in the object store."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from icefield_apiserver.db import Database
from icefield_apiserver.db.models import SparkArtifact
from icefield_apiserver.errors import ApiError, BadRequest, Conflict, NotFound, QuotaExceeded
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster
from icefield_apiserver.kube.secrets import WorkspaceSecrets
from icefield_apiserver.volumes.store import WorkspaceStores
from icefield_crds.object_store import artifact_key, workspace_prefix

log = logging.getLogger(__name__)

MAX_ARTIFACTS = 1000
"""Most versions, of all artifacts together, that a workspace keeps."""
SUFFIXES = (".py", ".jar", ".zip")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ID = re.compile(r"art_[0-9a-f]{12}")
_CLASS = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]{0,511}")
_MAX_PY_FILES_LENGTH = 4096
_ATTEMPTS = 5
_REMOTE = ("s3://", "s3a://")


@dataclass(frozen=True)
class Upload:
    """What an upload says of its file.

    Attributes:
        file: name of the file.
        name: what the artifact is called; as the file, without what follows the last dot, when None.
        main_class: the class that a jar begins with.
        py_files: further Python files, separated by commas.
    """

    file: str
    name: str | None = None
    main_class: str | None = None
    py_files: str | None = None


class ArtifactRepository:
    """Finds, keeps and drops artifacts, each call inside the caller's workspace.

    Args:
        db: where the rows are.
        cluster: the Workspaces.
        secrets: what the bucket is called.
        stores: where the files are.
    """

    def __init__(self, db: Database, cluster: Cluster, secrets: WorkspaceSecrets, stores: WorkspaceStores) -> None:
        self._db = db
        self._cluster = cluster
        self._secrets = secrets
        self._stores = stores

    async def listed(self, principal: Principal, *, all_versions: bool = False) -> list[SparkArtifact]:
        """Return the workspace's artifacts by name, each in its newest version or in all, newest first."""
        query = select(SparkArtifact).where(SparkArtifact.workspace_uid == self._uid(principal))
        query = query.order_by(SparkArtifact.name, SparkArtifact.version.desc())
        async with self._db.session() as session:
            rows = list((await session.scalars(query)).all())
        return rows if all_versions else list({row.name: row for row in reversed(rows)}.values())[::-1]

    async def find(self, principal: Principal, name_or_id: str) -> SparkArtifact | None:
        """Return the artifact of this id, or the newest version of this name; None when there is none."""
        query = select(SparkArtifact).where(SparkArtifact.workspace_uid == self._uid(principal), _is(name_or_id))
        async with self._db.session() as session:
            return await session.scalar(query.order_by(SparkArtifact.version.desc()).limit(1))

    async def create(
        self, principal: Principal, upload: Upload, chunks: AsyncIterator[bytes], longest: int
    ) -> SparkArtifact:
        """Keep a file as the next version of its artifact; what breaks off leaves nothing behind.

        Args:
            principal: the caller.
            upload: what it is.
            chunks: the file, as it comes.
            longest: most bytes it may have.

        Raises:
            BadRequest: it is no program, cannot be called so, or is longer.
            QuotaExceeded: the workspace keeps as many as it may.
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
            return await self._recorded(artifact)
        except BaseException:
            await self._delete_file(principal, artifact)
            raise

    async def delete(self, principal: Principal, name_or_id: str) -> None:
        """Drop an artifact: all versions of a name, or the one of an id.

        Raises:
            NotFound: there is none.
        """
        query = select(SparkArtifact).where(SparkArtifact.workspace_uid == self._uid(principal), _is(name_or_id))
        async with self._db.session() as session:
            rows = (await session.scalars(query)).all()
            await session.execute(delete(SparkArtifact).where(SparkArtifact.id.in_([row.id for row in rows])))
        if not rows:
            raise NotFound(f"There is no artifact {name_or_id} in workspace {principal.workspace}.")
        for row in rows:
            await self._delete_file(principal, row)

    async def uri(self, principal: Principal, artifact: SparkArtifact) -> str:
        """Return where an artifact's file lies: s3://…."""
        bucket = (await self._secrets.object_store(principal.workspace)).bucket
        return f"s3://{bucket}/{self._key(principal, artifact)}"

    async def program(self, principal: Principal, named: str, field: str) -> tuple[str, SparkArtifact | None]:
        """Return (URI, artifact) of a program: an artifact's name or id, or an object of the workspace.

        Args:
            principal: the caller.
            named: `s3://…`, or what an artifact is called.
            field: what the request calls it.

        Raises:
            BadRequest: there is no such artifact, or it lies elsewhere.
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

    async def _recorded(self, artifact: SparkArtifact) -> SparkArtifact:
        """Store a row under the next version of its name."""
        newest = select(func.max(SparkArtifact.version)).where(
            SparkArtifact.workspace_uid == artifact.workspace_uid, SparkArtifact.name == artifact.name
        )
        for _ in range(_ATTEMPTS):
            row = SparkArtifact(**_values(artifact))
            try:
                async with self._db.session() as session:
                    row.version = ((await session.scalar(newest)) or 0) + 1
                    session.add(row)
            except IntegrityError:  # somebody else's upload of the same name took the version
                continue
            return row
        raise Conflict(f"Artifact {artifact.name} is being uploaded by others at the same time; try again.")

    async def _check_room(self, principal: Principal) -> None:
        query = select(func.count()).where(SparkArtifact.workspace_uid == self._uid(principal))
        async with self._db.session() as session:
            current = (await session.scalar(query)) or 0
        if current >= MAX_ARTIFACTS:
            raise QuotaExceeded(f"Quota exceeded: max_artifacts={MAX_ARTIFACTS}, current={current}; delete some.")

    async def _delete_file(self, principal: Principal, artifact: SparkArtifact) -> None:
        """Delete an artifact's file; where the store is away it stays, and nothing names it any more."""
        folder, _, file = self._key(principal, artifact).rpartition("/")
        try:
            await self._stores.delete(principal.workspace, folder, file)
        except ApiError as error:
            log.warning("the file of artifact %s is left behind: %s", artifact.id, error.sentence)

    def _key(self, principal: Principal, artifact: SparkArtifact) -> str:
        return artifact_key(principal.workspace, artifact.id, artifact.file)

    def _uid(self, principal: Principal) -> str:
        workspace = self._cluster.workspace_directory.get(principal.workspace)
        if workspace is None:
            raise NotFound(f"There is no workspace called {principal.workspace}.")
        return workspace.metadata.uid


def _is(name_or_id: str) -> Any:
    column = SparkArtifact.id if _ID.fullmatch(name_or_id) else SparkArtifact.name
    return column == name_or_id


def _values(artifact: SparkArtifact) -> dict[str, Any]:
    names = ("id", "workspace_uid", "name", "file", "main_class", "py_files", "size", "created_by")
    return {name: getattr(artifact, name) for name in names}


def _checked_name(upload: Upload) -> str:
    """Return what an upload is called, all that it says being possible."""
    if not upload.file.endswith(SUFFIXES) or not _NAME.fullmatch(upload.file):
        raise BadRequest(
            f"The file {upload.file!r} is no program for Spark: its name is of letters, digits, dots, dashes and "
            f"underscores, and ends with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
        )
    if upload.main_class and not _CLASS.fullmatch(upload.main_class):
        raise BadRequest(f"Field mainClass: {upload.main_class[:100]!r} is not the name of a class.")
    if len(upload.py_files or "") > _MAX_PY_FILES_LENGTH:
        raise BadRequest(f"Field pyFiles: it is longer than {_MAX_PY_FILES_LENGTH} characters.")
    name = upload.name or upload.file.rpartition(".")[0]
    if not _NAME.fullmatch(name) or _ID.fullmatch(name):
        raise BadRequest(f"An artifact cannot be called {name!r}: use letters, digits, dots, dashes and underscores.")
    return name
