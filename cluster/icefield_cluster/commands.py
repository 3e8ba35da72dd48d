"""Runs other programs with a timeout; their output goes to a log file or is returned."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from icefield_cluster.errors import ClusterError

Argument = str | Path


class CommandError(ClusterError):
    """A program ended with a non-zero code, could not be started, or took too long."""


def run(
    argv: Sequence[Argument],
    *,
    log: Path,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    fix: str = "",
) -> None:
    """Run a program to its end, appending what it prints to a log.

    Args:
        argv: program and arguments; never a shell line.
        log: file that gets the command line, stdout and stderr.
        timeout: seconds after which the program is killed.
        cwd: working directory, ours when None.
        env: variables added to ours.
        stdin: text for its standard input; nothing when None.
        fix: the sentence shown with a failure.

    Raises:
        CommandError: the program failed.
    """
    words = [str(word) for word in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as sink:
        sink.write(f"$ {shlex.join(words)}\n")
        sink.flush()
        try:
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=sink,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise CommandError(f"{words[0]} is not installed", fix=fix, log=log) from None
        except subprocess.TimeoutExpired:
            raise CommandError(f"{words[0]} took longer than {timeout:.0f} s", fix=fix, log=log) from None
    if done.returncode != 0:
        raise CommandError(f"{Path(words[0]).name} ended with code {done.returncode}", fix=fix, log=log)


def output(
    argv: Sequence[Argument],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run a program and return what it wrote to stdout.

    Args:
        argv: program and arguments.
        timeout: seconds after which the program is killed.
        env: variables added to ours.
        stdin: text for its standard input; nothing when None.

    Raises:
        CommandError: the program failed; the message has the end of its stderr.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError(f"{words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"{shlex.join(words)} took longer than {timeout:.0f} s") from None
    if done.returncode != 0:
        raise CommandError(f"{shlex.join(words)} ended with code {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout
