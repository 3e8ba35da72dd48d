"""Uploads to S3 of unknown length: one PUT for a short object, a multipart upload for any other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
CONCURRENT_PARTS = 2
"""Parts of one upload that are sent or wait: two, so that reading and sending overlap."""


async def upload(s3: Any, bucket: str, key: str, content_type: str, chunks: AsyncIterator[bytes]) -> int:
    """Write an object as its bytes arrive, and return its size; an upload that fails is aborted.

    Args:
        s3: an S3 client.
        bucket: name of the bucket.
        key: key of the object.
        content_type: its media type.
        chunks: its bytes.
    """
    target = {"Bucket": bucket, "Key": key}
    parts = _parts(chunks)
    first = await anext(parts, b"")
    if len(first) < PART_BYTES:
        await s3.put_object(**target, Body=first, ContentType=content_type)
        return len(first)
    created = await s3.create_multipart_upload(**target, ContentType=content_type)
    target["UploadId"] = created["UploadId"]
    try:
        size, sent = await _send(s3, target, first, parts)
        await s3.complete_multipart_upload(**target, MultipartUpload={"Parts": sent})
    except BaseException:
        await asyncio.shield(_abort(s3, target))
        raise
    return size


async def _parts(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes in parts of PART_BYTES, the last one shorter."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)


async def _send(
    s3: Any, target: dict[str, str], first: bytes, rest: AsyncIterator[bytes]
) -> tuple[int, list[dict[str, Any]]]:
    """Send the parts while the next ones are read; return the size and the list that completes the upload."""
    sent: dict[int, str] = {}
    slots = asyncio.Semaphore(CONCURRENT_PARTS)
    size = number = 0

    async def send(part_number: int, body: bytes) -> None:
        try:
            response = await s3.upload_part(**target, PartNumber=part_number, Body=body)
            sent[part_number] = response["ETag"]
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            part: bytes | None = first
            while part is not None:
                await slots.acquire()
                number, size = number + 1, size + len(part)
                group.create_task(send(number, part))
                part = await anext(rest, None)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return size, [{"PartNumber": each, "ETag": sent[each]} for each in sorted(sent)]


async def _abort(s3: Any, target: dict[str, str]) -> None:
    try:
        await s3.abort_multipart_upload(**target)
    except Exception as error:
        log.warning("the upload of %s could not be aborted: %s", target["Key"], error)
