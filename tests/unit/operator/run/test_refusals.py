"""What becomes of pods that Kubernetes refuses, and of what events tell of those that do not start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from icefield_crds import Task
from icefield_kube.errors import KubernetesError, Unreachable
from icefield_operator.run.pod_events import describe_newest
from icefield_operator.run.refusals import MAX_REMEMBERED, Backoff, rejections_of

TASKS = [(Task(key="a", command="true"), 0), (Task(key="b", command="true"), 1)]


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        (KubernetesError.of(400, "bad"), True),
        (KubernetesError.of(413, "large"), True),
        (KubernetesError.of(422, "invalid"), True),
        (KubernetesError.of(500, "etcdserver: request is too large"), True),
        (KubernetesError.of(403, "quota"), False),
        (KubernetesError.of(404, "no namespace"), False),
        (KubernetesError.of(409, "taken"), False),
        (KubernetesError.of(429, "slower"), False),
        (KubernetesError.of(500, "webhook"), False),
        (KubernetesError.of(504, "late"), False),
        (Unreachable("no answer"), False),
        (RuntimeError("a mistake"), False),
    ],
)
def test_what_is_refused_of_one_pod_keeps_none_of_the_others_from_their_status(
    error: Exception, is_permanent: bool
) -> None:
    rejected = rejections_of(TASKS, [None, error])
    assert (("b", 1) in rejected.permanent, rejected.temporary is not None) == (is_permanent, not is_permanent)
    assert ("a", 0) not in rejected.permanent
    if rejected.temporary:
        assert rejected.temporary.startswith("task b cannot start: ")


def test_a_mistake_of_ours_is_no_secret_and_no_detail() -> None:
    assert "RuntimeError in the operator" in (rejections_of(TASKS, [RuntimeError("x"), None]).temporary or "")


def test_what_is_refused_again_waits_longer() -> None:
    backoff = Backoff()
    assert [backoff.next_delay("u") for _ in range(6)] == [timedelta(seconds=s) for s in (2, 4, 8, 16, 32, 60)]
    assert backoff.next_delay("other") == timedelta(seconds=2)
    backoff.reset("u")
    assert backoff.next_delay("u") == timedelta(seconds=2)


def _event(reason: str, second: int, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {},
        "reason": reason,
        "message": "m\n  n",
        "lastTimestamp": f"2026-01-01T12:00:{second:02}Z",
        **more,
    }


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([_event("Scheduled", 1)], None),
        ([_event("FailedMount", 2), _event("Scheduled", 1)], "the pod cannot be started (FailedMount): m n"),
        ([_event("FailedMount", 2), _event("Pulling", 3)], None),
        (
            [
                _event("Pulling", 3),
                _event("FailedCreatePodSandBox", 1, series={"lastObservedTime": "2026-01-01T12:01:00Z"}),
            ],
            "the pod cannot be started (FailedCreatePodSandBox): m n",
        ),
        (
            [_event("FailedAttachVolume", 0, lastTimestamp=None, eventTime="2026-01-01T12:00:00.5Z")],
            "the pod cannot be started (FailedAttachVolume): m n",
        ),
    ],
)
def test_the_newest_event_tells_what_keeps_a_pod_from_starting(
    events: list[dict[str, Any]], expected: str | None
) -> None:
    assert describe_newest(events) == expected


def test_runs_that_were_deleted_are_forgotten_some_time() -> None:
    backoff = Backoff()
    for number in range(MAX_REMEMBERED + 1):
        backoff.next_delay(str(number))
    assert len(backoff._refused) == MAX_REMEMBERED
