"""Streaming parser of uploads, multipart/form-data (RFC 7578), which never holds more of the file than a chunk."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from .errors import BadRequest, UnsupportedMediaType
from .nearest_name import hint_of, shown

MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS = 20
_MEDIA_TYPE = re.compile(rb"[\w.+-]+/[\w.+-]+(?:\s*;[ -~]*)?")
FILE_FIELD = "file"
FORM_BYTES = 1024 * 1024
"""Longest that a form may be beyond its file."""


def form_of(fields: Mapping[str, str], file: str, filename: str) -> dict[str, Any]:
    """Return what OpenAPI says of a route that takes such a form, for `openapi_extra`.

    Args:
        fields: the text fields' descriptions, by name.
        file: the file's description.
        filename: a file name such as the part with the file has.
    """
    properties: dict[str, dict[str, str]] = {
        name: {"type": "string", "description": description} for name, description in fields.items()
    }
    properties[FILE_FIELD] = {"type": "string", "format": "binary", "description": file}
    schema = {"type": "object", "required": [FILE_FIELD], "properties": properties}
    disposition = {
        "description": "Says the file's name.",
        "schema": {"type": "string"},
        "example": f'form-data; name="{FILE_FIELD}"; filename="{filename}"',
    }
    content = {"schema": schema, "encoding": {FILE_FIELD: {"headers": {"Content-Disposition": disposition}}}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": content}}}


@dataclass
class _Part:
    """A part of the form: its headers, and the text of a field."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    text: bytearray = field(default_factory=bytearray)
    name: str = ""
    filename: str | None = None


class UploadForm:
    """A form whose fields precede the file; they are available once the file starts.

    Args:
        content_type: the request's Content-Type.
        stream: chunks of the request's body.
        expected: names of the fields that the form may have; they must precede the file.

    Raises:
        UnsupportedMediaType: the request is no such form.
        BadRequest: its Content-Type names no boundary.
    """

    def __init__(self, content_type: str, stream: AsyncIterator[bytes], expected: Collection[str] = ("path",)) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise UnsupportedMediaType("An upload is multipart/form-data with the file in its field `file`.")
        if b"boundary" not in options:
            raise BadRequest("The Content-Type multipart/form-data names no boundary (RFC 7578).")
        self._stream = stream
        self._expected = tuple(expected)
        self._events: deque[tuple[str, bytes]] = deque()
        self._header_name = b""
        self._header_value = b""
        self._part = _Part()
        self._is_complete = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": lambda: self._events.append(("begin", b"")),
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": lambda: self._events.append(("headers", b"")),
                "on_part_data": lambda data, start, end: self._events.append(("data", data[start:end])),
                "on_part_end": lambda: self._events.append(("end", b"")),
                "on_end": lambda: self._events.append(("complete", b"")),
            },
        )
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.content_type: str | None = None

    async def find_file(self) -> None:
        """Read up to the start of the file, and set `fields`, `filename` and `content_type`.

        Raises:
            BadRequest: the form is invalid, has a field that is not expected, or has no file.
        """
        async for kind, data in self._next():
            if kind == "headers":
                self._describe()
                if self._part.name == FILE_FIELD:
                    self.filename = self._part.filename
                    media_type = self._part.headers.get(b"content-type", b"").strip()
                    self.content_type = media_type.decode() if _MEDIA_TYPE.fullmatch(media_type) else None
                    return
                self._check_expected()
                if len(self.fields) >= MAX_FIELDS:
                    raise BadRequest(f"The form has more than {MAX_FIELDS} fields.")
            elif kind == "data":
                self._part.text += data
                if len(self._part.text) > MAX_FIELD_BYTES:
                    raise BadRequest(f"Field {self._part.name} is longer than {MAX_FIELD_BYTES} bytes.")
            elif kind == "end":
                self.fields[self._part.name] = self._part.text.decode(errors="replace")
        raise BadRequest("The form has no field `file`.")

    async def file(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the file, after `find_file`.

        Raises:
            BadRequest: the form is incomplete, or a field follows the file.
        """
        is_over = False
        async for kind, data in self._next():
            if kind == "data" and not is_over:
                yield data
            elif kind == "end":
                is_over = True
            elif kind == "headers":
                self._describe()
                if self._part.name != FILE_FIELD:
                    self._check_expected()
                raise BadRequest(f"Field {self._part.name} comes after the file; it must come before it.")
        if not self._is_complete:
            raise BadRequest("The upload is incomplete.")

    async def _next(self) -> AsyncIterator[tuple[str, bytes]]:
        while True:
            while self._events:
                kind, data = self._events.popleft()
                if kind == "begin":
                    self._part = _Part()
                elif kind == "header":
                    name, _, value = data.partition(b":")
                    self._part.headers[name.lower()] = value
                elif kind == "complete":
                    self._is_complete = True
                else:
                    yield kind, data
            chunk = await anext(self._stream, None)
            if chunk is None:
                return
            try:
                self._parser.write(chunk)
            except MultipartParseError as error:
                raise BadRequest("The body is not valid multipart/form-data (RFC 7578).") from error

    def _describe(self) -> None:
        _, options = parse_options_header(self._part.headers.get(b"content-disposition"))
        self._part.name = options.get(b"name", b"").decode(errors="replace")
        filename = options.get(b"filename")
        self._part.filename = filename.decode(errors="replace") if filename is not None else None

    def _check_expected(self) -> None:
        name = self._part.name
        if name not in self._expected:
            raise BadRequest(f"The form has no field {shown(name)}{hint_of(name, [*self._expected, FILE_FIELD])}")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._events.append(("header", self._header_name + b":" + self._header_value))
        self._header_name = self._header_value = b""
