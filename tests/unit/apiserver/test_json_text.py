"""JSON beside the event loop: the same values as at once, and what several would read differently is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from icefield_apiserver.core import json_text
from icefield_apiserver.core.errors import BadRequest

VALUES: list[Any] = [
    None,
    {},
    [],
    "ü",
    1,
    {"metadata": {"snapshots": [{"id": 2**60, "summary": {"a": "b"}}, {}, []], "x": {"y": {"z": [1.5, [[[]]]]}}}},
    [[[["a"], {"b": None}], True], {"config": {}, "\N{GRINNING FACE}": '"'}],
]


@pytest.fixture(params=[0, 10_000])
def threshold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How long JSON is before it leaves the event loop."""
    monkeypatch.setattr(json_text, "IN_THREAD_BYTES", request.param)
    return int(request.param)


@pytest.mark.parametrize("value", VALUES)
async def test_values_stay_the_same(threshold: int, value: Any) -> None:
    body = json.dumps(value).encode()
    assert await json_text.parse_answer(body) == value
    assert await json_text.parse_json(body) == value
    assert await json_text.parse_unambiguous_json(body) == value
    assert json.loads(await json_text.write_answer(value, len(body))) == value
    assert json.loads(await json_text.write_json(value, len(body))) == value


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": [1}', b"[1,]", b'{"a" 1}', b"{} {}", b'[{"a": {"b": [nul]}}]'])
async def test_answers_that_are_not_json(threshold: int, body: bytes) -> None:
    with pytest.raises(ValueError):
        await json_text.parse_answer(body)


async def test_what_is_written_says_a_field_once(threshold: int) -> None:
    parsed = await json_text.parse_json(b'{"a": 1, "a": 2}')
    assert await json_text.write_json(parsed, 100) == b'{"a":2}'


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "\\u0061": {}}}]'])
async def test_an_ambiguous_file_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="two fields 'a'"):
        await json_text.parse_unambiguous_json(body)


async def test_what_can_be_parsed_but_not_written_is_refused(threshold: int) -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(BadRequest, match="nested too deeply"):
        await json_text.write_json(value, 1_000)
    while isinstance(value, list):
        (value,) = value
