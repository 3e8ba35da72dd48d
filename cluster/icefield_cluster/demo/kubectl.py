"""The demo's second half: the same pipeline through kubectl alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from rich.console import Console

from .api import DemoError
from .pipeline import WORKSPACE, custom_resources

_WAIT_SECONDS = 600


def write_yaml(directory: Path) -> tuple[Path, Path]:
    """Write job.yaml and run.yaml into the directory and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    job, run = custom_resources()
    paths = directory / "job.yaml", directory / "run.yaml"
    for path, document in zip(paths, (job, run), strict=True):
        path.write_text(yaml.dump(document, Dumper=_BlockText, sort_keys=False, width=120))
    return paths


def run_with_kubectl(console: Console, kubectl: tuple[str, ...], directory: Path) -> None:
    """Apply the Job, create a Run, wait for it and show it, printing each command."""
    job, run = write_yaml(directory)
    namespace = ("--namespace", f"icefield-{WORKSPACE}")
    _show(console, kubectl, "apply", "--server-side", "-f", str(job))
    name = _show(console, kubectl, "create", "-f", str(run), "-o", "name").strip()
    _show(console, kubectl, "wait", *namespace, "--for=condition=Complete", f"--timeout={_WAIT_SECONDS}s", name)
    _show(console, kubectl, "get", *namespace, "runs.icefield.dev,warehouses.icefield.dev")


def _show(console: Console, kubectl: tuple[str, ...], *arguments: str) -> str:
    console.print(f"[bold]$ kubectl {' '.join(arguments)}[/]", highlight=False, soft_wrap=True)
    done = subprocess.run((*kubectl, *arguments), capture_output=True, text=True, timeout=_WAIT_SECONDS + 30)
    console.print(done.stdout.rstrip(), highlight=False, markup=False, soft_wrap=True)
    if done.returncode:
        raise DemoError(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


class _BlockText(yaml.SafeDumper):
    """Writes multi-line text as a block, so that the programs in job.yaml are readable."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_BlockText.add_representer(str, _represent_text)
