"""The line of a script that an error is about which comes when its frame is computed."""

from __future__ import annotations

import polars as pl
import pytest
from polars.exceptions import PolarsError

from icefield_engines.polars.script_lines import line_of_failure

FRAME = "frame = pl.LazyFrame({'a': [1], 'b': ['x']})\n"


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("result = frame.select('c')", 2),
        ("other = frame.select('a')\nresult = (\n    other\n    .filter(pl.col('a') > 0)\n    .select('c')\n)", 6),
        ("wrong = frame.select('c')\n\nresult = wrong.filter(pl.col('c') > 0)", 2),
        ("wrong = frame.with_columns(\n    pl.col('a'),\n    pl.col('zz') + 1,\n)\nresult = wrong", 4),
        ("wrong = frame.with_columns(\n    pl.col.a,\n    pl.col.zz + 1,\n)\nresult = wrong", 4),
        ("result = frame\nresult = result.select(\n    pl.col('b').cast(pl.Int64)\n)", 4),
        ("def made(frame):\n    return frame.select('c')\n\nresult = made(frame)", 5),
        ("result = pl.concat([\n    frame,\n    frame.rename({'a': 'd'}),\n])", 4),
        ("if True:\n    result = frame.select('c')", 3),
        ("for n in 'c':\n    globals()['result'] = frame.select(n)", None),
    ],
)
def test_lines(script: str, line: int | None) -> None:
    text = FRAME + script
    scope: dict[str, object] = {"pl": pl}
    exec(compile(text, "<script>", "exec"), scope)  # noqa: S102 - a script of the test's own
    result = scope["result"]
    assert isinstance(result, pl.LazyFrame)
    with pytest.raises(PolarsError) as raised:
        result.collect()
    assert line_of_failure(text, scope, raised.value) == line
