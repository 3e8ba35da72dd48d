"""Which line of a script an error is about that comes when its frame is computed, after the script has ended.

Polars knows no lines. So the frames that the script has in variables are asked, in the order of their assignments,
whether their columns can be resolved; then the line is looked for that has what the error quotes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

import polars as pl
from polars.exceptions import PolarsError

MAX_FRAMES = 200
"""How many frames are asked at most."""
_QUOTED = re.compile(r"[\"'`]([^\"'`]{1,200})[\"'`]")
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_RESULT = "result"


def line_of_failure(script: str, scope: Mapping[str, object], error: BaseException) -> int | None:
    """Return the line, from 1, that made what failed; None where nothing is known.

    Args:
        script: its text, which has run.
        scope: its variables at the end.
        error: what its result raised when it was computed.
    """
    assigned = _assigned(ast.parse(script))
    failing = next((node for name, node in assigned[:MAX_FRAMES] if _fails(scope.get(name))), None)
    last = next((node for name, node in reversed(assigned) if name == _RESULT), None)
    node = failing or last
    if node is None:
        return None
    message = str(error).partition("\n\n")[0]  # what follows is about Polars' plan
    found = (_line_with(node, quoted) for quoted in _QUOTED.findall(message))
    return next((line for line in found if line is not None), node.lineno)


def _assigned(tree: ast.Module) -> list[tuple[str, ast.stmt]]:
    """Return the last assignment of each variable, in their order."""
    found: dict[str, ast.stmt] = {}
    for node in ast.walk(tree):
        if not isinstance(node, _ASSIGNMENTS):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for name in (target.id for target in targets if isinstance(target, ast.Name)):
            if name not in found or found[name].lineno < node.lineno:
                found[name] = node
    return sorted(found.items(), key=lambda item: item[1].lineno)


def _fails(frame: object) -> bool:
    if type(frame) is not pl.LazyFrame:
        return False
    try:
        frame.collect_schema()
    except PolarsError:
        return True
    return False


def _line_with(node: ast.stmt, quoted: str) -> int | None:
    """Return the one line of a statement that has a string or an attribute that an error quotes."""
    lines = {each.lineno for each in ast.walk(node) if isinstance(each, ast.Constant) and each.value == quoted} | {
        each.end_lineno for each in ast.walk(node) if isinstance(each, ast.Attribute) and each.attr == quoted
    }
    return lines.pop() if len(lines) == 1 else None
