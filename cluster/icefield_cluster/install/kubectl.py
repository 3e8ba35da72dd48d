"""kubectl, bound to one cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icefield_cluster.commands import Argument, output, run


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig and, for existing clusters, a context.

    Args:
        program: its path.
        kubeconfig: the file it reads.
        context: the context in it; the current one when empty.
    """

    program: Path
    kubeconfig: Path
    context: str = ""

    @property
    def argv(self) -> list[Argument]:
        """Its command line without arguments."""
        context = [f"--context={self.context}"] if self.context else []
        return [self.program, f"--kubeconfig={self.kubeconfig}", *context]

    def run(
        self, *arguments: Argument, log: Path, stdin: str | None = None, timeout: float = 120, fix: str = ""
    ) -> None:
        """Run it, its output going to a log; raises CommandError."""
        run([*self.argv, *arguments], log=log, stdin=stdin, timeout=timeout, fix=fix)

    def output(self, *arguments: Argument, stdin: str | None = None, timeout: float = 60) -> str:
        """Run it and return its stdout; raises CommandError."""
        return output([*self.argv, *arguments], stdin=stdin, timeout=timeout)

    def get(self, *arguments: Argument) -> dict[str, Any]:
        """`kubectl get … -o json`; an empty dict when the requested object does not exist."""
        text = self.output("get", *arguments, "--ignore-not-found", "--output=json")
        answer: dict[str, Any] = json.loads(text) if text.strip() else {}
        return answer
