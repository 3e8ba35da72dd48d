"""When the clean-up of a workspace makes no progress, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import ConditionType, Reason, Workspace, WorkspaceStatus
from icefield_operator.workspace import status
from icefield_operator.workspace.cleanup_progress import Progress, Remaining, is_given_up, of_namespace
from icefield_operator.workspace.ownership import UNRECORDED, Owner, describe

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
LIMIT = timedelta(minutes=30)
AWAY = Remaining(Reason.OBJECT_STORE_UNAVAILABLE, "its objects are not deleted yet: away", Progress.NONE)
AWAY_OTHERWISE = Remaining(Reason.OBJECT_STORE_UNAVAILABLE, "its objects are not deleted yet: 503", Progress.NONE)
NO_CATALOG = Remaining(Reason.CATALOG_UNAVAILABLE, "its catalog is not dropped yet: away", Progress.NONE)
DELETES = Remaining(Reason.DELETING_OBJECTS, "deleting objects", Progress.MADE)


def namespace(left: str = "") -> Remaining:
    conditions = [{"type": "NamespaceContentRemaining", "status": "True", "message": left}] if left else []
    metadata = {"name": "icefield-demo", "deletionTimestamp": "2026-03-01T09:00:00Z"}
    return of_namespace({"metadata": metadata, "status": {"conditions": conditions}}, START)


TEN, NINE = namespace("pods. has 10 resource instances"), namespace("pods. has 9 resource instances")


# name: (what each pass left, with minutes between them, minutes for which there was no progress; None while there is)
CASES: dict[str, tuple[list[Remaining], int, int | None]] = {
    "the first attempt without progress": ([AWAY], 10, 0),
    "the store stays away": ([AWAY, AWAY, AWAY_OTHERWISE], 10, 20),
    "a namespace that was just deleted": ([TEN], 10, None),
    "a namespace that empties": ([TEN, NINE, namespace()], 10, None),
    "a namespace that is stuck": ([TEN, NINE, NINE, NINE], 10, 10),
    "a namespace that was stuck": ([TEN, TEN, TEN, NINE], 10, None),
    "objects are deleted for hours": ([DELETES] * 9, 60, None),
    "the store was away for a while": ([AWAY, AWAY, DELETES, AWAY], 20, 0),
    "another part is reached": ([TEN, TEN, TEN, NO_CATALOG], 20, None),
    "and is stuck": ([TEN, TEN, TEN, NO_CATALOG, NO_CATALOG, NO_CATALOG], 20, 20),
}


@pytest.mark.parametrize("name", CASES)
def test_since_when_there_is_no_progress(name: str) -> None:
    passes, minutes, expected = CASES[name]
    workspace = Workspace.model_validate({"metadata": {"name": "demo", "uid": "u"}, "spec": {}})
    now = START
    for number, remaining in enumerate(passes):
        now = START + number * timedelta(minutes=minutes)
        workspace = workspace.model_copy(update={"status": status.deleting(workspace, remaining, now)})
    assert workspace.status
    stalled = workspace.status.condition(ConditionType.CLEANUP_STALLED)
    assert stalled
    since = now - stalled.last_transition_time if stalled.status == "True" else None
    assert since == (None if expected is None else timedelta(minutes=expected))
    assert stalled.message == passes[-1].message
    assert not is_given_up(stalled, LIMIT, now)


@pytest.mark.parametrize(
    ("deletion_time", "progress"),
    [(None, Progress.MADE), ("2026-03-01T09:59:01Z", Progress.MADE), ("2026-03-01T09:59:00Z", Progress.UNKNOWN)],
)
def test_a_namespace_takes_a_moment_to_go(deletion_time: str | None, progress: Progress) -> None:
    metadata = {"name": "icefield-demo"} | ({"deletionTimestamp": deletion_time} if deletion_time else {})
    assert of_namespace({"metadata": metadata}, START).progress is progress


@pytest.mark.parametrize(("minutes", "is_over"), [(30, False), (31, True)])
def test_it_is_given_up_after_so_long_without_progress(minutes: int, is_over: bool) -> None:
    workspace = Workspace.model_validate({"metadata": {"name": "demo", "uid": "u"}, "spec": {}})
    for now in (START, START + timedelta(minutes=minutes)):
        workspace = workspace.model_copy(update={"status": status.deleting(workspace, AWAY, now)})
        found = workspace.status or WorkspaceStatus()
    assert is_given_up(found.condition(ConditionType.CLEANUP_STALLED), LIMIT, now) is is_over


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (
            Owner("0a1b", "its clean-up was given up"),
            "data of an earlier workspace demo (uid 0a1b) is left (its clean-up was given up): workspaces/demo/ and "
            "logs/demo/ in the bucket, and its catalog. It is not used: set spec.adoptDataOf to 0a1b to use it, or "
            "delete it, and then owners/demo.json",
        ),
        (
            Owner(UNRECORDED),
            "data of an unknown workspace is left: workspaces/demo/ and logs/demo/ in the bucket, and its catalog. It "
            "is not used: set spec.adoptDataOf to unrecorded to use it, or delete it, and then owners/demo.json",
        ),
    ],
)
def test_what_is_left_is_named(owner: Owner, expected: str) -> None:
    assert describe("demo", owner) == expected


def test_the_policy_of_a_workspace_that_names_none() -> None:
    spec: dict[str, Any] = {}
    workspace = Workspace.model_validate({"metadata": {"name": "demo"}, "spec": spec})
    assert (workspace.spec.deletion_policy, workspace.spec.adopt_data_of) == ("Delete", None)
