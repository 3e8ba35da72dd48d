"""Volumes of databases, and the files in them."""

from __future__ import annotations

import mimetypes
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from icefield_apiserver.core.catalog import Catalogs
from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.catalog.names import check_name, database_namespace
from icefield_apiserver.core.db.pages import after_text, page_of_rows
from icefield_apiserver.core.errors import Conflict, NotFound
from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.objects.workspace_stores import FileDownload, FileEntry, WorkspaceStores
from icefield_apiserver.core.pagination import Page, Window, encode_cursor
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Privilege
from icefield_crds.object_store import volume_prefix
from icefield_sql import FilePath, FilePattern, SqlError, StoredFile, UnresolvedName

from .models import Volume
from .names import may_be_same
from .paths import file_path, normalised, upload_path
from .places import Place, path_prefix, place_in_store, place_in_volume, stored_file
from .store import VolumeStore

T = TypeVar("T")

MAX_LISTED = 100_000
"""Most files that are looked through for those of a pattern."""
MAX_ROWS = 100_000
"""Most rows of a page without `limit`; the rest follows with `cursor`."""


@dataclass(frozen=True)
class UploadedFile:
    """A file of an upload.

    Attributes:
        path: requested path of the file, or of its folder with a trailing slash; None for the volume itself.
        filename: name of the file on the client.
        content_type: its media type; guessed from the path when None.
        chunks: its bytes.
        max_bytes: maximum size.
    """

    path: str | None
    filename: str | None
    content_type: str | None
    chunks: AsyncIterator[bytes]
    max_bytes: int


class VolumeService:
    """Reads and writes volumes and their files in the caller's workspace.

    Args:
        store: rows of volumes.
        workspaces: the Workspaces.
        catalogs: the workspaces' catalogs, for the existence of databases.
        secrets: the workspaces' Secrets, for the bucket's name.
        files: the workspaces' files.
    """

    def __init__(
        self,
        store: VolumeStore,
        workspaces: WorkspaceDirectory,
        catalogs: Catalogs,
        secrets: WorkspaceSecrets,
        files: WorkspaceStores,
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._catalogs = catalogs
        self._secrets = secrets
        self._files = files

    async def page(self, principal: Principal, database: str, window: Window, shape: Callable[[Volume], T]) -> Page[T]:
        """Return a page of a database's volumes, by name; none where grants give the caller some of its tables only.

        Raises:
            NotFound: the database does not exist.
        """
        await self._check_database(principal, database)
        if not principal.access.may_in(Privilege.SELECT, (database,)):
            return Page(data=[], next_cursor=None)
        limit = min(window.limit, MAX_ROWS) + 1
        rows = await self._store.list(self._uid(principal), database, after_text(window), limit)
        return page_of_rows(rows, window, lambda volume: volume.name, shape)

    async def get(self, principal: Principal, database: str, volume: str) -> Volume:
        """Return a volume, by name or id.

        Raises:
            NotFound: it does not exist.
        """
        found = await self._store.find(self._uid(principal), database, volume)
        if found is None or not principal.access.may_in(Privilege.SELECT, (database,)):
            raise NotFound(f"There is no volume {volume} in database {database}.")
        return found

    async def create(self, principal: Principal, database: str, name: str, description: str | None) -> Volume:
        """Create a volume.

        Raises:
            BadRequest: the name is invalid.
            Conflict: it exists already.
            Forbidden: it needs OWN on the database.
            NotFound: the database does not exist.
        """
        await self._check_database(principal, database)
        principal.access.require_in(Privilege.OWN, (database,))
        check_name("volume", name)
        volume = Volume(
            id=f"vol_{uuid.uuid4().hex[:12]}",
            workspace_uid=self._uid(principal),
            database=database,
            name=name,
            description=description,
            created_by=principal.person,
        )
        await self._store.create(volume)
        return volume

    async def delete(self, principal: Principal, database: str, name: str, *, with_files: bool) -> None:
        """Delete a volume.

        Args:
            principal: the caller.
            database: name of its database.
            name: its name or id.
            with_files: whether its files are deleted as well.

        Raises:
            Conflict: it holds files, and `with_files` is false.
            Forbidden: it needs OWN on the database.
            NotFound: it does not exist.
        """
        volume = await self.get(principal, database, name)
        principal.access.require_in(Privilege.OWN, (database,))
        prefix = _prefix(principal, volume)
        if not with_files and not await self._files.is_empty(principal.workspace, prefix):
            raise Conflict(f"Volume {name} holds files; delete them first, or pass force=true.")
        await self._files.delete_all(principal.workspace, prefix)
        await self._store.delete(volume)

    async def refuse_to_drop(self, principal: Principal, namespace: Namespace) -> None:
        """Refuse that a database is dropped, whichever way, as long as it has volumes: nobody would find them again.

        Args:
            principal: the caller.
            namespace: the database, or a schema of one, which has no volumes of its own.

        Raises:
            Conflict: it has some.
        """
        if len(namespace) > 1:
            return
        for database, count in (await self._store.counts(self._uid(principal))).items():
            if may_be_same(database, namespace[0]):
                volumes = "1 volume" if count == 1 else f"{count} volumes"
                raise Conflict(f"Database {database} still holds {volumes}.")

    async def root(self, principal: Principal) -> Callable[[Volume], str]:
        """Return a function that returns the URI of a volume in the caller's workspace."""
        bucket = (await self._secrets.object_store(principal.workspace)).bucket
        return lambda volume: f"s3://{bucket}/{_prefix(principal, volume)}"

    async def list_files(self, principal: Principal, volume: Volume, path: str, window: Window) -> Page[FileEntry]:
        """Return a page of the direct content of a folder; the path of a file returns that file.

        Raises:
            BadRequest: the path is invalid.
            NotFound: the file or folder does not exist.
        """
        prefix = _prefix(principal, volume)
        folder, after = normalised(path), after_text(window)
        limit = min(window.limit, MAX_ROWS)
        entries = await self._files.list(principal.workspace, prefix, folder, after, limit + 1)
        if folder and not entries and after is None:
            try:
                entries = [await self._files.find(principal.workspace, prefix, folder)]
            except NotFound:
                raise NotFound(f"There is no file or folder {folder} in volume {volume.name}.") from None
        shown = entries[:limit]
        cursor = encode_cursor((shown[-1].key,)) if len(entries) > len(shown) else None
        return Page(data=shown, next_cursor=cursor)

    async def upload(self, principal: Principal, volume: Volume, file: UploadedFile) -> tuple[str, int]:
        """Write a file, replacing an existing one, and return its path and size in bytes.

        Raises:
            BadRequest: the path is invalid, or the file is too large.
            Conflict: a folder of this name exists, or the path has a file where it needs a folder.
            Forbidden: it needs INSERT on the database.
        """
        principal.access.require_in(Privilege.INSERT, (volume.database,))
        path = upload_path(file.path, file.filename)
        content_type = file.content_type or mimetypes.guess_type(path)[0] or "application/octet-stream"
        size = await self._files.write(
            principal.workspace, _prefix(principal, volume), path, content_type, file.chunks, file.max_bytes
        )
        return path, size

    async def delete_file(self, principal: Principal, database: str, volume: str, path: str) -> None:
        """Delete a file.

        Raises:
            BadRequest: the path is invalid.
            Forbidden: it needs INSERT on the database.
            NotFound: the volume or the file does not exist.
        """
        prefix = _prefix(principal, await self.get(principal, database, volume))
        principal.access.require_in(Privilege.INSERT, (database,))
        await self._files.delete(principal.workspace, prefix, file_path(path))

    async def download(
        self, principal: Principal, database: str, volume: str, path: str, byte_range: str | None
    ) -> tuple[str, FileDownload]:
        """Start to read a file, or a range of it, and return its name and content.

        Args:
            principal: the caller.
            database: name of the database.
            volume: name or id of the volume.
            path: path of the file.
            byte_range: value of the header Range.

        Raises:
            ApiError: 416: the file has no such range.
            BadRequest: the path is invalid.
            NotFound: the volume or the file does not exist.
        """
        prefix = _prefix(principal, await self.get(principal, database, volume))
        clean = file_path(path)
        return _name(clean), await self._files.read(principal.workspace, prefix, clean, byte_range)

    async def files_at(self, workspace: str, workspace_uid: str, path: FilePath, limit: int) -> list[StoredFile]:
        """Return the files that a path in a statement means, by name, and no more than `limit`.

        Args:
            workspace: slug of the workspace.
            workspace_uid: its metadata.uid.
            path: the path, which may be a pattern.
            limit: most files.

        Raises:
            SqlError: it is outside of what statements read.
            UnresolvedName: there is no such volume, or no such file in it.
        """
        place = await self._place(workspace, workspace_uid, path)
        start = f"{place.prefix}/{path_prefix(place.path)}"
        listed = await self._files.list_below(workspace, start, MAX_LISTED)
        if len(listed) == MAX_LISTED:
            raise SqlError(f"More than {MAX_LISTED} files begin as {path.text!r} does; name a smaller folder.")
        pattern = FilePattern(place.path)
        matching = [each for each in listed if pattern.matches(each.key.removeprefix(f"{place.prefix}/"))][:limit]
        if not matching:
            raise UnresolvedName("PATH_NOT_FOUND", f"There is no file {path.text}.")
        return [stored_file(place, each) for each in matching]

    async def location_at(self, workspace: str, workspace_uid: str, path: FilePath, name: str) -> str:
        """Return the address at which a file is written that a statement names.

        Args:
            workspace: slug of the workspace.
            workspace_uid: its metadata.uid.
            path: the path; a folder has a slash at its end.
            name: name of the file in a folder.

        Raises:
            SqlError: it is outside of what statements write.
            UnresolvedName: there is no such volume.
        """
        place = await self._place(workspace, workspace_uid, path)
        file = f"{place.path}{name}" if place.path.endswith("/") or not place.path else place.path
        return f"s3://{place.bucket}/{place.prefix}/{file}"

    async def _place(self, workspace: str, workspace_uid: str, path: FilePath) -> Place:
        keys = await self._secrets.object_store(workspace)
        if path.volume is None or path.database is None:
            return place_in_store(path, keys.root)
        volume = await self._store.find(workspace_uid, path.database, path.volume)
        if volume is None:
            raise UnresolvedName("PATH_NOT_FOUND", f"There is no volume {path.volume} in database {path.database}.")
        return place_in_volume(path, keys.root, volume)

    async def _check_database(self, principal: Principal, database: str) -> None:
        await principal.catalog(self._catalogs).load_namespace(database_namespace(database))

    def _uid(self, principal: Principal) -> str:
        return self._workspaces.existing(principal.workspace).metadata.uid


def _prefix(principal: Principal, volume: Volume) -> str:
    return volume_prefix(principal.workspace, volume.database, volume.name)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
