"""S3 clients, and the platform's own access to the object store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from .settings import ObjectStoreSettings


@asynccontextmanager
async def open_client(settings: ObjectStoreSettings, endpoint: str | None = None) -> AsyncIterator[Any]:
    """Give an aiobotocore S3 client for as long as the context lasts; nothing is asked of the store yet.

    Args:
        settings: the platform's access.
        endpoint: URL of the store, where it is not the one by which this process reaches it.
    """
    client = client_of(
        get_session(),
        endpoint=endpoint or settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key.get_secret_value(),
        read_timeout=30,
        max_pool_connections=50,
    )
    async with client as s3:
        yield s3


def client_of(
    session: AioSession, *, endpoint: str, region: str, access_key_id: str, secret_access_key: str, **options: Any
) -> Any:
    """Return the context of an S3 client as all of ours are: with path-style addresses, timeouts and three attempts.

    Args:
        session: makes it.
        endpoint: URL of the store.
        region: its region.
        access_key_id: the key's id.
        secret_access_key: the key.
        options: what else botocore's Config shall say of this one.
    """
    return session.create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=AioConfig(
            connect_timeout=5,
            retries={"max_attempts": 3, "mode": "standard"},
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            **options,
        ),
    )
