"""Whether logs are complete, from the attempts that wrote them."""

from __future__ import annotations

import pytest

from icefield_crds import AttemptStatus, TaskPhase
from icefield_crds.run import logs_complete

ARCHIVED = {"logs_archived": True}
UNKNOWN = {"logs_archived": True, "logs_start_unknown": True}
LOST = {"logs_archived": True, "logs_complete": False}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], None),
        ([{}], None),
        ([ARCHIVED], True),
        ([ARCHIVED, {}], None),
        ([LOST, {}], False),
        ([ARCHIVED, UNKNOWN], None),
        ([LOST, UNKNOWN], False),
        ([LOST | UNKNOWN], False),
        ([ARCHIVED, LOST], False),
    ],
)
def test_logs_complete(attempts: list[dict[str, bool]], expected: bool | None) -> None:
    found = [
        AttemptStatus(attempt=number, pod_name="p", status=TaskPhase.SUCCESS, **given)
        for number, given in enumerate(attempts)
    ]
    assert logs_complete(found) is expected
