"""Files that are uploaded to be loaded: kept in the workspace's prefix until their statement has ended."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import uuid
from collections.abc import AsyncIterator

from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_apiserver.core.objects.workspace_stores import WorkspaceStores
from icefield_apiserver.features.statements.service import StatementService
from icefield_apiserver.identity.principal import Principal

log = logging.getLogger(__name__)

FOLDER = "loads"
WAIT_SECONDS = 6 * 3600.0
"""Time after which a file is deleted although its statement still runs."""


class Uploads:
    """Keeps uploaded files for as long as a statement reads them.

    Args:
        secrets: the workspaces' Secrets, for the bucket's name.
        stores: the workspaces' files.
        statements: the statements.
    """

    def __init__(self, secrets: WorkspaceSecrets, stores: WorkspaceStores, statements: StatementService) -> None:
        self._secrets = secrets
        self._stores = stores
        self._statements = statements
        self._deleting: set[asyncio.Task[None]] = set()

    async def write(self, principal: Principal, name: str, chunks: AsyncIterator[bytes], max_bytes: int) -> str:
        """Write a file as its bytes arrive, and return its address.

        Args:
            principal: the caller.
            name: its name, without a folder.
            chunks: its bytes.
            max_bytes: maximum size.

        Raises:
            TooLarge: it is larger.
        """
        keys = await self._secrets.object_store(principal.workspace)
        folder, kind = f"{FOLDER}/{uuid.uuid4().hex}", mimetypes.guess_type(name)[0] or "application/octet-stream"
        await self._stores.write(principal.workspace, f"{keys.prefix}/{folder}", name, kind, chunks, max_bytes)
        return f"s3://{keys.bucket}/{keys.prefix}/{folder}/{name}"

    def delete_after(self, principal: Principal, address: str, statement_id: str | None) -> None:
        """Delete a file once a statement has ended; at once where there is none."""
        task = asyncio.create_task(self._delete(principal, address, statement_id))
        self._deleting.add(task)
        task.add_done_callback(self._deleting.discard)

    async def close(self) -> None:
        """Stop waiting; files of statements that run stay."""
        for task in self._deleting:
            task.cancel()
        await asyncio.gather(*self._deleting, return_exceptions=True)

    async def _delete(self, principal: Principal, address: str, statement_id: str | None) -> None:
        try:
            if statement_id:
                await self._statements.ended(principal, statement_id, WAIT_SECONDS)
            prefix, _, name = address.removeprefix("s3://").partition("/")[2].rpartition("/")
            await self._stores.delete(principal.workspace, prefix, name)
        except ApiError as error:
            log.warning("the uploaded file %s stays: %s", address, error.sentence)
