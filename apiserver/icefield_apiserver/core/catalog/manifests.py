"""Reads Iceberg manifest lists and manifests (Iceberg, "Manifests"). Pure.

PyIceberg decodes them. Their content is untrusted, since anyone who writes to a table writes its manifests; so the
size of their decompressed content is limited.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import zstandard
from pyiceberg.avro.codecs import AVRO_CODEC_KEY
from pyiceberg.avro.decoder import new_decoder
from pyiceberg.avro.file import AvroFile, Block
from pyiceberg.io import InputFile, InputStream
from pyiceberg.typedef import Record
from pyiceberg.types import StructType

MAX_DECODED_BYTES = 256 * 1024 * 1024
"""Of one manifest; writers start a new one at 8 MB compressed."""
_SYNC_BYTES = 16
_DELETED_ENTRY = 2
_POSITION_DELETES = 1
# Ids of fields, as the specification has them.
_PATH, _LENGTH, _SPEC = 500, 501, 502
_STATUS, _DATA_FILE = 0, 2
_CONTENT, _PARTITION, _RECORDS, _FILE_BYTES, _CONTENT_BYTES = 134, 102, 103, 104, 145


class UnreadableManifestError(Exception):
    """A manifest or manifest list is invalid or too large; the text is the end of a sentence."""


@dataclass(frozen=True)
class Manifest:
    """A manifest in a list.

    Attributes:
        location: its URI.
        size_bytes: its length as stored.
        spec_id: id of the partition spec of its files.
    """

    location: str
    size_bytes: int
    spec_id: int


@dataclass(frozen=True)
class FileEntry:
    """A live file of a table.

    Attributes:
        content: 0 data, 1 position deletes (deletion vectors, too), 2 equality deletes.
        partition: values of the partition fields in the order of the spec, as Iceberg stores them.
        record_count: number of its rows, or of the rows that it deletes.
        size_bytes: size of the file; for a deletion vector, of its blob only.
    """

    content: int
    partition: tuple[Any, ...]
    record_count: int
    size_bytes: int

    @property
    def is_data(self) -> bool:
        """Whether it is a data file."""
        return self.content == 0

    @property
    def deletes_positions(self) -> bool:
        """Whether each of its records deletes one row."""
        return self.content == _POSITION_DELETES


def manifests_of(manifest_list: bytes) -> list[Manifest]:
    """Return the manifests in a manifest list.

    Raises:
        UnreadableManifestError: it is invalid.
    """
    with _reading(manifest_list) as rows:
        path, length, spec = _positions(rows.schema.as_struct(), _PATH, _LENGTH, _SPEC)
        return [Manifest(str(row[path]), int(row[length]), int(row[spec])) for row in rows]


def entries_of(manifest: bytes) -> Iterator[FileEntry]:
    """Yield the live files in a manifest.

    Raises:
        UnreadableManifestError: it is invalid.
    """
    with _reading(manifest) as rows:
        status, data_file = _positions(rows.schema.as_struct(), _STATUS, _DATA_FILE)
        kind = rows.schema.find_type(_DATA_FILE)
        if not isinstance(kind, StructType):
            raise UnreadableManifestError("it lists no files")
        partition, records, length = _positions(kind, _PARTITION, _RECORDS, _FILE_BYTES)
        present = {field.field_id: position for position, field in enumerate(kind.fields)}
        content, own_length = present.get(_CONTENT), present.get(_CONTENT_BYTES)
        for row in rows:
            if row[status] == _DELETED_ENTRY:
                continue
            file: Record = row[data_file]
            values: Record = file[partition]
            yield FileEntry(
                content=int(file[content]) if content is not None else 0,
                partition=tuple(values[position] for position in range(len(values))),
                record_count=int(file[records]),
                size_bytes=int((file[own_length] if own_length is not None else None) or file[length]),
            )


def _positions(struct: StructType, *wanted: int) -> list[int]:
    present = {field.field_id: position for position, field in enumerate(struct.fields)}
    return [present[field_id] for field_id in wanted]


@contextmanager
def _reading(content: bytes) -> Iterator[AvroFile[Record]]:
    # Read with the file's own schema: PyIceberg cannot skip lists, so column statistics cannot be projected away.
    try:
        with _LimitedAvroFile(_InMemory(content)) as rows:
            yield rows
    except (UnreadableManifestError, GeneratorExit):
        raise
    except Exception as error:  # a decoder can raise anything on untrusted bytes
        raise UnreadableManifestError("it is not an Avro file as Iceberg specifies") from error


class _LimitedAvroFile(AvroFile[Record]):
    """An Avro file with a limit on its decompressed size."""

    decoded_bytes = 0

    def _read_block(self) -> int:
        if self.block and self.decoder.read(_SYNC_BYTES) != self.header.sync:
            raise UnreadableManifestError("it is damaged")
        records = self.decoder.read_int()
        codec = str(self.header.meta.get(AVRO_CODEC_KEY, "null"))
        decoded = _decompressed(codec, self.decoder.read_bytes(), MAX_DECODED_BYTES - self.decoded_bytes)
        self.decoded_bytes += len(decoded)
        if records > len(decoded):
            raise UnreadableManifestError("it is damaged")
        self.block = Block(self.reader, records, new_decoder(decoded))
        return records


def _decompressed(codec: str, block: bytes, limit: int) -> bytes:
    if codec == "null":
        decoded = block
    elif codec == "deflate":
        decoded = zlib.decompressobj(-zlib.MAX_WBITS).decompress(block, limit + 1)
    elif codec == "zstandard":
        with zstandard.ZstdDecompressor().stream_reader(block) as reader:
            decoded = reader.read(limit + 1)
    else:
        raise UnreadableManifestError(f"its codec {codec!r} is not supported; null, deflate and zstandard are")
    if len(decoded) > limit:
        raise UnreadableManifestError(f"its decompressed size exceeds {MAX_DECODED_BYTES} bytes")
    return decoded


class _InMemory(InputFile):
    """Bytes as a file of PyIceberg."""

    def __init__(self, content: bytes) -> None:
        super().__init__("memory:")
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def exists(self) -> bool:
        return True

    def open(self, seekable: bool = True) -> InputStream:
        return io.BytesIO(self._content)
