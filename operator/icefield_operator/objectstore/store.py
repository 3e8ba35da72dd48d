"""The few S3 calls that the operator makes, each with a timeout and with errors a condition can show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, ClientError

from .config import ObjectStoreConfig, ObjectStoreError

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
CALL_TIMEOUT = 90
MAX_CONNECTIONS = 32
DELETE_BATCH = 1000
_MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket", "NoSuchBucketPolicy"})


class AlreadyExistsError(ObjectStoreError):
    """An object of this key already exists."""


class ObjectStore:
    """The platform's bucket, opened with the platform's credentials."""

    def __init__(self, config: ObjectStoreConfig, client: Any) -> None:
        """Wrap an open S3 client; use `ObjectStore.open`."""
        self._client = client
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
        await self._call("put_object", Key=key, Body=body, **({"IfNoneMatch": "*"} if new else {}))

    async def get(self, key: str) -> bytes | None:
        """Return the content of an object, or None when there is no such object."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                answer = await self._call("get_object", Key=key)
                with _translate_errors("get_object"):
                    async with answer["Body"] as stream:
                        content: bytes = await stream.read()
                        return content
        except _MissingError:
            return None
        except TimeoutError as error:
            raise ObjectStoreError(f"the object store did not answer get_object within {CALL_TIMEOUT} s") from error

    async def exists(self, key: str) -> bool:
        """Return whether there is an object at this key."""
        try:
            await self._call("head_object", Key=key)
        except _MissingError:
            return False
        return True

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin with the prefix, in order, a page at a time."""
        token: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", Prefix=prefix, MaxKeys=DELETE_BATCH, **token)
            for item in page.get("Contents", []):
                yield item["Key"]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

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
