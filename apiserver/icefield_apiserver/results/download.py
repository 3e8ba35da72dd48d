"""Objects read as fast as they come: by threads, which take a mebibyte at a time from the socket.

An event loop would take it in small pieces and look at each; measured on the loopback device, that costs nearly twice
the processor time. The next piece is read while the one before is sent on, and not more: a slow reader holds two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

CHUNK_BYTES = 1024 * 1024
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
AT_ONCE = 16
"""How many pieces are read at once; a download that waits for its reader takes no thread."""


class DownloadError(Exception):
    """The object cannot be read.

    Args:
        status: the HTTP status answered; None when there was no answer.
    """

    def __init__(self, status: int | None) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Downloads:
    """Reads objects by presigned URLs."""

    def __init__(self) -> None:
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        self._pool = urllib3.PoolManager(maxsize=AT_ONCE, timeout=timeout, retries=False)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download")

    def close(self) -> None:
        """Close what is open."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.clear()

    async def begin(self, url: str) -> AsyncGenerator[bytes, None]:
        """Begin to read an object, and return its bytes as they come.

        Raises:
            DownloadError: the store refuses, or cannot be reached.
        """
        loop = asyncio.get_running_loop()
        try:
            response = await loop.run_in_executor(self._threads, self._open, url)
        except HTTPError as error:
            raise DownloadError(None) from error
        if response.status != 200:
            response.close()
            raise DownloadError(response.status)
        return self._chunks(response)

    def _open(self, url: str) -> Any:
        return self._pool.request("GET", url, preload_content=False, decode_content=False)

    async def _chunks(self, response: Any) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        is_through = False
        try:
            upcoming = loop.run_in_executor(self._threads, response.read, CHUNK_BYTES)
            while chunk := await upcoming:
                upcoming = loop.run_in_executor(self._threads, response.read, CHUNK_BYTES)
                yield chunk
            is_through = True
        except HTTPError as error:
            raise DownloadError(None) from error
        finally:
            if is_through:
                response.release_conn()
            else:
                response.close()  # what is left of it is not worth reading
