"""The few S3 calls that the operator makes, each with a timeout and with errors a condition can show.

Two clients make them: botocore's, which can do everything, and for reading and writing objects obstore (Rust's
object_store). Logs are archived in thousands of small objects, and a call through botocore takes 3 ms of CPU time, one
through obstore 0.3 ms.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import obstore
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, ClientError
from obstore import exceptions
from obstore.store import S3Store

from .config import ObjectStoreConfig, ObjectStoreError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ClientConfig

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
CALL_TIMEOUT = 90
MAX_CONNECTIONS = 32
MAX_RETRIES = 2
DELETE_BATCH = 1000
CA_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchBucketPolicy"})


class AlreadyExistsError(ObjectStoreError):
    """An object of this key already exists."""


class ObjectStore:
    """The platform's bucket, opened with the platform's credentials."""

    def __init__(self, config: ObjectStoreConfig, client: Any) -> None:
        """Wrap an open S3 client; use `ObjectStore.open`."""
        self._client = client
        self._objects = _objects_of(config)
        self.config = config

    @classmethod
    @asynccontextmanager
    async def open(cls, config: ObjectStoreConfig) -> AsyncIterator[Self]:
        """Open the store for as long as the context lasts."""
        async with _session().create_client(
            "s3",
            endpoint_url=config.endpoint,
            region_name=config.region,
            aws_access_key_id=config.credentials.access_key_id,
            aws_secret_access_key=config.credentials.secret_access_key,
            config=AioConfig(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                max_pool_connections=MAX_CONNECTIONS,
                retries={"mode": "standard", "max_attempts": 3},
                # Path style and no unasked-for checksums: what every S3 server understands.
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        ) as client:
            yield cls(config, client)

    async def ensure_bucket(self) -> None:
        """Create the bucket if it is missing.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        try:
            await self._call("head_bucket")
        except _MissingError:
            try:
                await self._call("create_bucket")
            except AlreadyExistsError:
                return

    async def put(self, key: str, body: bytes, *, new: bool = False) -> None:
        """Write an object.

        Args:
            key: where in the bucket.
            body: the whole content.
            new: refuse to replace an existing object.

        Raises:
            AlreadyExistsError: `new`, and there is one.
            ObjectStoreError: the store is unavailable or refuses.
        """
        with _translate_object_errors("put"):
            async with asyncio.timeout(CALL_TIMEOUT):
                mode: PutMode = "create" if new else "overwrite"
                await obstore.put_async(self._objects, key, body, mode=mode, use_multipart=False)

    async def get(self, key: str) -> bytes | None:
        """Return the content of an object, or None when there is no such object."""
        try:
            with _translate_object_errors("get"):
                async with asyncio.timeout(CALL_TIMEOUT):
                    answer = await obstore.get_async(self._objects, key)
                    return bytes(await answer.bytes_async())
        except _MissingError:
            return None

    async def exists(self, key: str) -> bool:
        """Return whether there is an object at this key."""
        try:
            with _translate_object_errors("head"):
                async with asyncio.timeout(CALL_TIMEOUT):
                    await obstore.head_async(self._objects, key)
        except _MissingError:
            return False
        return True

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys below a prefix that ends with a slash, in order, a page at a time."""
        pages = obstore.list(self._objects, prefix, chunk_size=DELETE_BATCH)
        while True:
            with _translate_object_errors("list"):
                async with asyncio.timeout(CALL_TIMEOUT):
                    page = await anext(pages, None)
            if page is None:
                return
            for item in page:
                yield item["path"]

    async def delete_some(self, prefix: str) -> int:
        """Delete at most a thousand objects below the prefix and return how many; 0 means none is left.

        Raises:
            ObjectStoreError: the store is unavailable, or refuses to delete one of them.
        """
        page = await self._call("list_objects_v2", Prefix=prefix, MaxKeys=DELETE_BATCH)
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if not keys:
            return 0
        answer = await self._call("delete_objects", Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            raise ObjectStoreError(
                f"the object store did not delete {errors[0].get('Key')}: {errors[0].get('Message')}"
            )
        return len(keys)

    async def policy(self) -> str | None:
        """Return the bucket's policy as the JSON text it was given as, or None."""
        try:
            policy: str = (await self._call("get_bucket_policy"))["Policy"]
        except _MissingError:
            return None
        return policy

    async def put_policy(self, policy: str | None) -> None:
        """Replace the bucket's policy; None removes it."""
        if policy is None:
            await self._call("delete_bucket_policy")
        else:
            await self._call("put_bucket_policy", Policy=policy)

    async def _call(self, operation: str, **arguments: Any) -> Any:
        with _translate_errors(operation):
            async with asyncio.timeout(CALL_TIMEOUT):
                return await getattr(self._client, operation)(Bucket=self.config.bucket, **arguments)


class _MissingError(ObjectStoreError):
    """What was asked for is not there."""


def _objects_of(config: ObjectStoreConfig) -> S3Store:
    """Return the client of objects; it connects with the first call."""
    bundle = next((os.environ[name] for name in CA_BUNDLES if os.environ.get(name)), None)
    options: ClientConfig = {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT),
        "timeout": timedelta(seconds=READ_TIMEOUT),
    }
    if bundle:
        options["root_certificate"] = Path(bundle).read_bytes()
    return S3Store(
        config.bucket,
        endpoint=config.endpoint,
        region=config.region,
        access_key_id=config.credentials.access_key_id,
        secret_access_key=config.credentials.secret_access_key,
        virtual_hosted_style_request=False,
        client_options=options,
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=CALL_TIMEOUT)},
    )


@contextmanager
def _translate_object_errors(operation: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise _MissingError(f"{operation}: there is no such object") from error
    except exceptions.AlreadyExistsError as error:
        raise AlreadyExistsError(f"{operation}: there is an object of this key") from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise ObjectStoreError(f"the object store refused {operation}: {_first_line(error)}") from error
    except exceptions.BaseError as error:
        raise ObjectStoreError(f"the object store is not reachable, or failed: {_first_line(error)}") from error
    except TimeoutError as error:
        raise ObjectStoreError(f"the object store did not answer {operation} within {CALL_TIMEOUT} s") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


@cache
def _session() -> AioSession:
    """Return the session of all clients, which keeps the description of S3: reading that takes longest."""
    return get_session()


@contextmanager
def _translate_errors(operation: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            raise _MissingError(f"{operation}: {code}") from error
        if code in ("PreconditionFailed", "BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise AlreadyExistsError(f"{operation}: {code}") from error
        raise ObjectStoreError(f"the object store refused {operation}: {error}") from error
    except BotoCoreError as error:
        raise ObjectStoreError(f"the object store is not reachable: {error}") from error
    except TimeoutError as error:
        raise ObjectStoreError(f"the object store did not answer {operation} within {CALL_TIMEOUT} s") from error
    except (OSError, aiohttp.ClientError) as error:
        raise ObjectStoreError(f"the object store is not reachable: {error}") from error
