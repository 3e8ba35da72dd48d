"""The workspace's part of the object store, as PyIceberg reads it; a short file takes one request.

PyIceberg reads the list of manifests that it wrote a moment ago, so short files are remembered. Files of Iceberg tables
are never written twice, so what is remembered stays true.
"""

from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from cachetools import LRUCache
from pyarrow.fs import AwsStandardS3RetryStrategy, FileSelector, FileSystem, S3FileSystem
from pyiceberg.io import InputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from icefield_engines.warehouse.settings import StoreSettings

CA_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 60.0
ATTEMPTS = 4
THREADS = 16
REMEMBERED_BYTES = 16 * 1024 * 1024
LONGEST_REMEMBERED = 1024 * 1024


class WorkspaceFiles(PyArrowFileIO):
    """Opens files with the workspace's keys, whatever a table's properties name."""

    def __init__(self, store: StoreSettings) -> None:
        """Prepare; nothing is opened yet."""
        super().__init__({})
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._remembered: LRUCache[str, bytes] = LRUCache(REMEMBERED_BYTES, getsizeof=len)
        self._lock = threading.Lock()
        self._bucket = store.bucket
        self.file_system: FileSystem = S3FileSystem(
            access_key=store.access_key_id,
            secret_key=store.secret_access_key.get_secret_value(),
            region=store.region,
            endpoint_override=store.endpoint,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            tls_ca_file_path=_authorities(),
            allow_delayed_open=True,  # a file of one part is then one request instead of three
        )

    def new_input(self, location: str) -> PyArrowFile:
        """Return a file to read."""
        return _File(self, location)

    def open_stream(self, location: str) -> Any:
        """Return a stream to write a file of any length."""
        return self.file_system.open_output_stream(self.path_of(location))

    def write(self, location: str, content: bytes) -> None:
        """Write a file as a whole, and remember it where it is short.

        Raises:
            OSError: it cannot be written.
        """
        with self.open_stream(location) as stream:
            stream.write(content)
        self.remember(location, content)

    def delete(self, location: Any) -> None:
        """Delete a file."""
        self.file_system.delete_file(self.path_of(getattr(location, "location", location)))

    def delete_folder(self, location: str) -> None:
        """Delete the files of a folder, as far as the store is there."""
        with suppress(OSError):
            for file in self.file_system.get_file_info(FileSelector(self.path_of(location), allow_not_found=True)):
                self.file_system.delete_file(file.path)

    def path_of(self, location: str) -> str:
        """Return the path of a file in the store, bucket included.

        Raises:
            ValueError: it is not in the workspace's bucket.
        """
        scheme, netloc, path = PyArrowFileIO.parse_location(location)
        if scheme not in ("s3", "s3a") or netloc != self._bucket:
            raise ValueError(f"{location} is not in the workspace's bucket.")
        return path

    def remembered(self, location: str) -> bytes | None:
        """Return the content of a short file that was written or read lately."""
        with self._lock:
            content: bytes | None = self._remembered.get(location)
            return content

    def remember(self, location: str, content: bytes) -> None:
        """Remember the content of a short file."""
        if len(content) <= LONGEST_REMEMBERED:
            with self._lock:
                self._remembered[location] = content


def _authorities() -> str | None:
    """Return the file of trusted certificate authorities that the environment names."""
    return next((os.environ[name] for name in CA_BUNDLES if os.environ.get(name)), None)


class _File(PyArrowFile):
    def __init__(self, files: WorkspaceFiles, location: str) -> None:
        super().__init__(location=location, path=files.path_of(location), fs=files.file_system)
        self._files = files

    def open(self, seekable: bool = True) -> InputStream:
        content = self._files.remembered(self.location)
        if content is None:
            with self._filesystem.open_input_stream(self._path) as stream:
                content = stream.read()
            self._files.remember(self.location, content)
        return io.BytesIO(content)
