"""Names are deterministic, valid and unambiguous."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from icefield_crds import Condition, ConditionType, Reason, merge_conditions, names

DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


@pytest.mark.parametrize(
    ("display_name", "slug"),
    [
        ("daily-pipeline", "daily-pipeline"),
        ("Daily Pipeline!", "daily-pipeline"),
        ("Café à la crème", "cafe-a-la-creme"),
        ("  __x__ ", "x"),
        ("a" * 80, "a" * 50),
    ],
)
def test_slugify(display_name: str, slug: str) -> None:
    assert names.slugify(display_name) == slug


@pytest.mark.parametrize("display_name", ["", "!!!", "日本"])
def test_slugify_refuses_what_leaves_nothing(display_name: str) -> None:
    with pytest.raises(ValueError, match="no letter or digit"):
        names.slugify(display_name)


@pytest.mark.parametrize("run", ["r", "a" * 63, "a.b.c", "x-" * 20 + "y"])
@pytest.mark.parametrize("task", ["t", "Load_All", "t" * 63])
def test_pod_names_are_dns_labels(run: str, task: str) -> None:
    name = names.pod_name(run, task, 20)
    assert DNS_LABEL.match(name)
    assert len(name) <= names.MAX_NAME_LENGTH


def test_pod_names_do_not_collide_across_runs() -> None:
    assert names.pod_name("a-b", "c", 0) != names.pod_name("a", "b-c", 0)
    assert names.pod_name("run", "Task", 0) != names.pod_name("run", "task", 0)


@pytest.mark.parametrize("run", ["r", "a" * 57, "a" * 58, "a" * 63])
def test_child_names_fit(run: str) -> None:
    secret, files = names.run_token_secret(run), names.run_files_config_map(run)
    later = names.attempt_token_secret(run, "k" * 63, 12)
    assert max(len(secret), len(files), len(later)) <= names.MAX_NAME_LENGTH
    assert len({secret, files, later}) == 3


def test_long_runs_have_children_of_their_own() -> None:
    assert names.run_token_secret("a" * 62 + "b") != names.run_token_secret("a" * 62 + "c")


def test_workspace_and_namespace_are_inverse() -> None:
    assert names.workspace_of(names.namespace_of("demo")) == "demo"
    assert names.workspace_of("icefield-system") is None
    assert names.workspace_of("kube-system") is None


def test_public_id_is_the_head_of_the_uid() -> None:
    assert names.public_id("run", "f4bdc5b7-17cc-441c-aec1-a533fc14b3d7") == "run_f4bdc5b717cc"


def test_conditions_keep_their_transition_time_until_the_status_changes() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    later = start + timedelta(hours=1)
    old = merge_conditions([], [(ConditionType.READY, False, Reason.PENDING, "")], generation=1, now=start)
    same = merge_conditions(old, [(ConditionType.READY, False, Reason.RUNNING, "")], generation=1, now=later)
    flipped = merge_conditions(old, [(ConditionType.READY, True, Reason.SUCCEEDED, "")], generation=2, now=later)
    assert same[0].last_transition_time == start
    assert flipped == [
        Condition(
            type="Ready",
            status="True",
            reason="Succeeded",
            message="",
            last_transition_time=later,
            observed_generation=2,
        )
    ]
