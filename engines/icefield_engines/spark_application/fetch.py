"""Fetches an application's files from the workspace's part of the object store."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_incrementing

from icefield_engines.warehouse.settings import StoreSettings

from .errors import ApplicationError

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 60
ATTEMPTS = 4
"""Attempts of one file: its body may break off, which the client does not retry."""
_CHUNK_BYTES = 1024 * 1024
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_REFUSED = frozenset({"401", "403", "AccessDenied"})


class Files:
    """The workspace's files, opened with its own keys."""

    def __init__(self, store: StoreSettings, folder: Path) -> None:
        """Fetch into this folder, which exists and is empty."""
        self._store = store
        self._folder = folder
        self._count = 0
        self._client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=store.endpoint,
            region_name=store.region,
            aws_access_key_id=store.access_key_id,
            aws_secret_access_key=store.secret_access_key.get_secret_value(),
            config=Config(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"mode": "standard", "max_attempts": ATTEMPTS},
                s3={"addressing_style": "path"},
                response_checksum_validation="when_required",
            ),
        )

    def fetch(self, url: str) -> Path:
        """Return a local copy of s3://<bucket>/<key>, under its own name in a folder of its own.

        Raises:
            ApplicationError: it is not the workspace's, does not exist, or the store does not answer.
        """
        bucket, _, key = url.split("://", 1)[1].partition("/")
        if bucket != self._store.bucket or not key.startswith(f"{self._store.prefix}/") or ".." in key.split("/"):
            raise ApplicationError(f"{url} is not in the workspace's part of the object store, {self._store.url}/")
        target = self._folder / str(self._count) / PurePosixPath(key).name
        self._count += 1
        target.parent.mkdir(exist_ok=True)
        retrying = Retrying(
            retry=retry_if_exception_type((BotoCoreError, OSError)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_incrementing(start=1, increment=1),
            reraise=True,
        )
        try:
            retrying(self._download, bucket, key, target)
        except ClientError as error:
            raise ApplicationError(_refusal(url, error)) from error
        except (BotoCoreError, OSError) as error:
            raise ApplicationError(f"{url} cannot be fetched: {error}") from error
        return target

    def _download(self, bucket: str, key: str, target: Path) -> None:
        body: Any = self._client.get_object(Bucket=bucket, Key=key)["Body"]
        with target.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                file.write(chunk)


def _refusal(url: str, error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _MISSING:
        return f"{url} does not exist"
    if code in _REFUSED:
        return f"the workspace's keys may not read {url}"
    return f"{url} cannot be fetched: {error}"
