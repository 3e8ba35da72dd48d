"""When a Lease may be taken, and what is written into it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_operator.leader_election import LeaseState, Timing, held_spec, identity_of

HELD = {"holderIdentity": "other", "leaseDurationSeconds": 10, "renewTime": "2020-01-01T00:00:00.000000Z"}
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spec", "now", "wait"),
    [
        ({}, 100.0, 0.0),  # there is no Lease
        ({**HELD, "holderIdentity": ""}, 100.0, 0.0),  # released
        ({**HELD, "holderIdentity": "me"}, 100.0, 0.0),
        # Whatever its times say: it was first seen just now.
        (HELD, 100.0, 10.0),
        (HELD, 107.0, 3.0),
        (HELD, 110.0, 0.0),
        ({**HELD, "leaseDurationSeconds": 30}, 110.0, 20.0),  # as long as its holder says
    ],
)
def test_a_lease_is_free_when_it_was_watched_unchanged_for_as_long_as_it_lasts(
    spec: dict[str, Any], now: float, wait: float
) -> None:
    assert LeaseState(spec, "1", changed_at=100.0).seconds_until_free("me", now) == wait


def test_a_lease_that_its_holder_renews_never_becomes_free() -> None:
    state = LeaseState(HELD, "1", changed_at=100.0)
    same = state.next(dict(HELD), "2", now=105.0)
    assert same.changed_at == 100.0
    renewed = same.next({**HELD, "renewTime": "2020-01-01T00:00:02.000000Z"}, "3", now=109.0)
    assert renewed.seconds_until_free("me", now=110.0) == 9.0


def test_a_renewal_keeps_who_leads_since_when_and_a_change_counts() -> None:
    taken = held_spec({**HELD, "leaseTransitions": 4}, "me", 9.5, NOW)
    assert taken == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 10,
        "acquireTime": "2026-11-30T12:00:00.000000Z",
        "renewTime": "2026-11-30T12:00:00.000000Z",
        "leaseTransitions": 5,
    }
    renewed = held_spec(taken, "me", 9.5, NOW.replace(minute=1))
    assert renewed == {**taken, "renewTime": "2026-11-30T12:01:00.000000Z"}


@pytest.mark.parametrize("lease", [1.0, 10.0, 60.0])
def test_a_leader_ends_before_its_lease_does(lease: float) -> None:
    timing = Timing.of(lease)
    assert timing.renew_deadline < timing.lease
    assert timing.retry < timing.renew_deadline / 2


def test_a_restarted_container_is_the_same_candidate_and_programs_outside_of_pods_differ() -> None:
    assert identity_of("icefield-operator-5d8f-abc12") == "icefield-operator-5d8f-abc12"
    assert identity_of("") != identity_of("")
