"""Display of steps and of failures."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from icefield_cluster.errors import ClusterError
from icefield_cluster.progress import Steps, show_error


def test_a_failing_step_shows_the_end_of_its_log_and_the_fix(tmp_path: Path) -> None:
    sink = io.StringIO()
    console = Console(file=sink, width=100)
    with pytest.raises(ClusterError) as caught, Steps(console, tmp_path) as steps:
        with steps.step("Good step") as step:
            step.note("as before")
        with steps.step("Bad step") as step:
            step.log.write_text("\n".join(f"line {number}" for number in range(50)))
            raise ClusterError("it broke", fix="mend it")
    show_error(console, caught.value)
    shown = sink.getvalue()
    assert "✓ Good step as before" in shown
    assert "✗ Bad step" in shown
    assert str(tmp_path / "bad-step.log") in shown.replace("\n", "")
    assert "line 49" in shown and "line 29" not in shown
    assert "error: it broke" in shown and "fix: mend it" in shown
