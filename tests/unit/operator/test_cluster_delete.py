"""What is left of an object that a DELETE answered with."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_operator.cluster import _is_still_there


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"deletionGracePeriodSeconds": 30}, True),
        ({"deletionGracePeriodSeconds": 0}, False),
        ({"deletionGracePeriodSeconds": 0, "finalizers": ["example.com/kept"]}, True),
        ({"finalizers": ["icefield.dev/workspace-cleanup"]}, True),
        ({}, False),
    ],
)
def test_only_a_grace_period_or_a_finalizer_keeps_it(metadata: dict[str, Any], expected: bool) -> None:
    assert _is_still_there({"metadata": metadata}) is expected
