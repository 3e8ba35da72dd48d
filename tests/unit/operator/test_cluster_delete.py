"""What is left of an object that a DELETE answered with."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_kube.client import still_exists


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
    assert still_exists("Pod", {"kind": "Pod", "metadata": metadata}) is expected
    assert not still_exists("Pod", {"kind": "Status", "metadata": {}})
