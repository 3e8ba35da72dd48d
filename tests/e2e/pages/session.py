"""The shell, the Python and the kubectl of somebody who follows a page."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from icefield_cluster.paths import CHECKOUT

from .blocks import Block
from .programs import BlockError, Program, bash, python

BLOCK_TIMEOUT_SECONDS = 240
WAREHOUSE = "demo"
_LINKED = (".venv", "manifests", "images", "requirements", "crds", "tests", "examples")
_FAILURE = re.compile(r'"success": ?false|"status": ?"failed"|"state": ?"FAIL"')
"""How the API answers 200 for what failed while it ran."""
_END = "printf . >&$ended\n"
_STATEMENTS = """\
import polnor
for statement in {statements!r}:
    print(polnor.sql(statement, warehouse_id={warehouse!r}))
"""


class Session:
    """Runs the blocks of one page, in the environment of `icefield env`.

    Args:
        platform: the installation (tests.platform.Platform) that `.venv/bin/icefield` finds as the default cluster.
        folder: an empty folder, which becomes the page's checkout.
    """

    def __init__(self, platform: Any, folder: Path) -> None:
        for name in _LINKED:
            (folder / name).symlink_to(CHECKOUT / name)
        (folder / ".icefield").mkdir()
        (folder / ".icefield" / "icefield").symlink_to(platform.state.directory)
        self._platform = platform
        self._folder = folder
        self._variables = folder / ".icefield" / "variables"
        self._bash = bash(folder, os.environ)
        self._bash.run(f'eval "$(.venv/bin/icefield env)"\n{_END}', BLOCK_TIMEOUT_SECONDS)
        self._python: Program | None = None
        self._runners: dict[str, Callable[[Block], str]] = {
            "sh": self._run_in_bash,
            "python": lambda block: self._run_in_python(block, block.code),
            "sql": self._run_on_warehouse,
            "yaml": self._apply_dry,
        }

    def run(self, block: Block) -> str:
        """Run a block and return what it printed.

        Raises:
            BlockError: it failed, or printed that what it asked for failed.
        """
        output = self._runners[block.language](block)
        if found := _FAILURE.search(output):
            raise BlockError(f"{found[0]} in its output:\n{output}")
        return output

    def close(self) -> None:
        """End its programs."""
        for program in (self._bash, self._python):
            if program is not None:
                program.stop()

    def _run_in_bash(self, block: Block) -> str:
        # Empty lines before the code make bash name the lines of the page.
        file = self._folder / ".icefield" / f"{Path(block.page).name}-{block.line}"
        file.write_text("\n" * (block.line - 1) + block.code, encoding="utf-8")
        variables = shlex.quote(str(self._variables))
        request = f"source {shlex.quote(str(file))} </dev/null\nenv -0 >{variables}\n{_END}"
        return self._bash.run(request, BLOCK_TIMEOUT_SECONDS)

    def _run_in_python(self, block: Block, code: str) -> str:
        environment = self._environment()
        if self._python is None:
            self._python = python(self._folder, environment)
        lines = "\n" * (block.line - 1)
        request = {"code": lines + code, "name": block.page, "environment": environment}
        return self._python.run(json.dumps(request) + "\n", BLOCK_TIMEOUT_SECONDS)

    def _run_on_warehouse(self, block: Block) -> str:
        statements = [text.strip() for text in block.code.split(";\n") if text.strip()]
        return self._run_in_python(block, _STATEMENTS.format(statements=statements, warehouse=WAREHOUSE))

    def _apply_dry(self, block: Block) -> str:
        file = self._folder / ".icefield" / f"{Path(block.page).name}-{block.line}.yaml"
        file.write_text(block.code, encoding="utf-8")
        kubectl = (
            f"{shlex.quote(str(self._platform.kubectl))} --kubeconfig {shlex.quote(str(self._platform.kubeconfig))}"
        )
        apply = f"{kubectl} apply --server-side --dry-run=server -f {shlex.quote(str(file))}"
        return self._bash.run(f"{apply} </dev/null\n{_END}", BLOCK_TIMEOUT_SECONDS)

    def _environment(self) -> dict[str, str]:
        if not self._variables.exists():
            return dict(os.environ)
        pairs = self._variables.read_text(encoding="utf-8", errors="replace").split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
