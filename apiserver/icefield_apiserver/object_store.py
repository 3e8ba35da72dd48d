"""The platform's own access to the object store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from .settings import ObjectStoreSettings


@asynccontextmanager
async def open_client(settings: ObjectStoreSettings, endpoint: str | None = None) -> AsyncIterator[Any]:
    """Give an aiobotocore S3 client for as long as the context lasts; nothing is asked of the store yet.

    Args:
        settings: the platform's access.
        endpoint: URL of the store, where it is not the one by which this process reaches it.
    """
    config = AioConfig(
        connect_timeout=5,
        read_timeout=30,
        retries={"max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        max_pool_connections=50,
    )
    client = get_session().create_client(
        "s3",
        endpoint_url=endpoint or settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        config=config,
    )
    async with client as s3:
        yield s3
