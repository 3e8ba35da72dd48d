"""Reading uploads as they come, in pieces of any size."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from icefield_apiserver.core.errors import BadRequest, UnsupportedMediaType
from icefield_apiserver.core.forms import UploadForm

TYPE = "multipart/form-data; boundary=xyz"
FILE = b"one\r\n--xy\r\ntwo\r\n"
BODY = (
    b'--xyz\r\nContent-Disposition: form-data; name="path"\r\n\r\n/a/b\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="\xc3\xbc.csv"\r\nContent-Type: text/csv\r\n\r\n'
    + FILE
    + b"\r\n--xyz--\r\n"
)


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
async def test_fields_then_the_file(size: int) -> None:
    form = UploadForm(TYPE, pieces(BODY, size))
    await form.find_file()
    assert (form.fields, form.filename, form.content_type) == ({"path": "/a/b"}, "ü.csv", "text/csv")
    assert b"".join([chunk async for chunk in form.file()]) == FILE


async def read(body: bytes, content_type: str = TYPE) -> bytes:
    """The file in a body."""
    form = UploadForm(content_type, pieces(body, 16))
    await form.find_file()
    return b"".join([chunk async for chunk in form.file()])


LATE = BODY.removesuffix(b"--\r\n") + b'\r\nContent-Disposition: form-data; name="path"\r\n\r\nlate\r\n--xyz--\r\n'


@pytest.mark.parametrize(
    ("body", "content_type", "sentence"),
    [
        (BODY, "multipart/form-data", "names no boundary"),
        (BODY[:-15], TYPE, "is incomplete"),
        (BODY[:40], TYPE, "no field `file`"),
        (b"", TYPE, "no field `file`"),
        (b"nonsense" * 10, TYPE, "RFC 7578"),
        (BODY.replace(b"text/csv", b"x" * 100_000), TYPE, "RFC 7578"),
        (LATE, TYPE, "must come before it"),
        (BODY.replace(b'"path"', b'"pth"'), TYPE, "The form has no field pth; did you mean path"),
        (LATE.replace(b'"path"\r\n\r\nlate', b'"pth"\r\n\r\nlate'), TYPE, "The form has no field pth; did you mean"),
        (LATE.replace(b'"path"\r\n\r\nlate', b'"file"\r\n\r\nlate'), TYPE, "Field file comes after the file"),
        (BODY.replace(b"/a/b", b"x" * 20_000), TYPE, "is longer than"),
    ],
)
async def test_what_is_no_upload_is_refused(body: bytes, content_type: str, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        await read(body, content_type)


async def test_what_is_no_form_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="An upload is multipart/form-data"):
        await read(BODY, "text/plain")
