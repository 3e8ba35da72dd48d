"""JSON of requests and of other servers' answers: parsed and written beside the event loop where it is long.

The parser and the writer in C hold the interpreter's lock to their end: in a thread they stop the event loop all the
same. What a request says is parsed and written in Python, since it may be made for that. Answers, of which a catalog
has some of many megabytes, are taken apart in Python down to where their lists are, and the pieces by C.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]
from json.scanner import c_make_scanner, py_make_scanner  # type: ignore[attr-defined]
from typing import Any, NoReturn, TypeVar

from .errors import BadRequest

IN_THREAD_BYTES = 256 * 1024
"""Longer JSON is parsed in a thread: that takes milliseconds, or seconds where it has millions of values."""
AT_ONCE = 2
"""How much long JSON is parsed or written at once: each takes turns with the event loop, and many times its length."""
_LEVELS = 3
"""Answers are taken apart down to here: each snapshot of a LoadTableResult is a piece."""
_TOO_DEEP = "The body's JSON is nested too deeply."
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

T = TypeVar("T")
Pairs = list[tuple[str, Any]]
Scan = Callable[[str, int], tuple[Any, int]]
"""Returns the value that starts somewhere in a text, and where it ends."""


async def parse_json(body: bytes) -> Any:
    """Return what a request says in JSON (RFC 8259): in UTF-8, without NaN, infinities and halves of characters.

    Raises:
        BadRequest: it is not valid JSON, or has a number beyond what can be computed with.
    """
    if len(body) <= IN_THREAD_BYTES:
        return _parse(body, json.JSONDecoder)
    return await _beside(partial(_parse, body, _YieldingDecoder))


async def parse_unambiguous_json(body: bytes) -> Any:
    """Return what JSON says, as `parse_json`, that other servers will read too: no object has a name twice.

    Raises:
        BadRequest: it is not valid JSON, or has a number beyond what can be computed with, or a name twice.
    """
    return await _beside(partial(_parse, body, _YieldingDecoder, _unique))


async def write_json(value: Any, length: int) -> bytes:
    """Return the JSON, in UTF-8, of what `parse_json` returned.

    Args:
        value: what it returned.
        length: about how long the JSON will be.

    Raises:
        BadRequest: it is nested more deeply than what could just be parsed.
    """
    try:
        if length <= IN_THREAD_BYTES:
            return _encoder.encode(value).encode()
        return await _beside(lambda: "".join(_encoder.iterencode(value)).encode())
    except RecursionError as error:
        raise BadRequest(_TOO_DEEP) from error


async def parse_answer(body: bytes) -> Any:
    """Return what another server's answer says in JSON.

    Raises:
        ValueError: it is not valid JSON.
    """
    if len(body) <= IN_THREAD_BYTES:
        return json.loads(body)
    return await _beside(partial(json.loads, body, cls=_PiecewiseDecoder))


async def write_answer(value: Any, length: int) -> bytes:
    """Return the JSON, in ASCII, of an answer.

    Args:
        value: the answer.
        length: about how long the JSON will be.
    """
    if length <= IN_THREAD_BYTES:
        return json.dumps(value).encode()
    return await _beside(lambda: "".join(_pieces(value, _LEVELS)).encode())


async def _beside(step: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, step)


_threads = ThreadPoolExecutor(AT_ONCE, "json")
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class _YieldingDecoder(json.JSONDecoder):
    """Parses in Python, so that other threads get turns."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.scan_once = py_make_scanner(self)


class _PiecewiseDecoder(json.JSONDecoder):
    """Parses the first levels in Python, so that other threads get turns, and what is below in C."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        scan: Scan = c_make_scanner(self)
        for _ in range(_LEVELS):
            scan = partial(_scan, scan)
        self.scan_once = scan


def _scan(below: Scan, text: str, start: int) -> tuple[Any, int]:
    """Scan as json's own scanners do, and the parts of an object or a list with another scanner."""
    value: tuple[Any, int]
    match text[start : start + 1]:
        case "{":
            value = JSONObject((text, start + 1), True, below, None, None)
        case "[":
            value = JSONArray((text, start + 1), below)
        case _:
            value = below(text, start)
    return value


def _pieces(value: Any, levels: int) -> Iterator[str]:
    """Yield the JSON of a value in pieces, each of which C writes at once."""
    if not levels or not value or not isinstance(value, dict | list):
        yield json.dumps(value)
        return
    is_object = isinstance(value, dict)
    yield "{" if is_object else "["
    for number, each in enumerate(value):
        yield ", " if number else ""
        if is_object:
            yield f"{json.dumps(each)}: "
        yield from _pieces(value[each] if is_object else each, levels - 1)
    yield "}" if is_object else "]"


def _parse(
    body: bytes, decoder: type[json.JSONDecoder], pairs_hook: Callable[[Pairs], dict[str, Any]] | None = None
) -> Any:
    try:
        # Given bytes, json takes other encodings as well, and halves of characters.
        text = body.decode("utf-8-sig")
        value = json.loads(
            text,
            cls=decoder,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=pairs_hook,
        )
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error.msg} (at character {error.pos}).") from error
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not valid JSON: it is not in UTF-8.") from error
    except RecursionError as error:
        raise BadRequest(_TOO_DEEP) from error
    if _SURROGATE.search(text):
        _refuse_halves(value)
    return value


def _refuse_halves(value: Any) -> None:
    """Refuse strings that have half of a surrogate pair: they are no text, and nothing can store or send them."""
    left = [value]
    while left:
        match left.pop():
            case str() as text:
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    half = f"\\u{ord(text[error.start]):04x}"
                    raise BadRequest(f"The body has a string with {half}, which is half of a character.") from error
            case list() as entries:
                left += entries
            case dict() as members:
                left += members
                left += members.values()


def _unique(pairs: Pairs) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BadRequest(f"The JSON has an object with two fields {twice[:80]!r}.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"The body is not valid JSON: {name} is not a number in JSON; send null, or a string.")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise BadRequest("The body has a number beyond the range of a double; send it as a string.")
    return number


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadRequest("The body has an integer of too many digits; send it as a string.") from error
