"""How fast the logs of a run are read."""

from __future__ import annotations

from icefield_operator.log_agent.pace import Pace


def test_a_second_may_be_read_at_once_and_then_as_much_as_the_rate() -> None:
    now = 100.0
    pace = Pace(1000, lambda: now)
    now += 60
    pace.spend(1000)
    assert pace.delay == 0
    pace.spend(500)
    assert pace.delay == 0.5
    now += 0.5
    assert pace.delay == 0
