"""Scripts that attack the platform, as data: what each does and what must come of it.

Each file *.yaml is a list of scripts of one kind. A script has in scope what every script has, and besides it
prelude.py; `params` tells it where things are, as a tenant could find out by trying (see `Places`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).parent
PRELUDE = (_HERE / "prelude.py").read_text(encoding="utf-8")
_RUN_SOURCES = """
# Stolen once: what the first scripts do lets go of some of it.
tokens, keys = stolen_tokens(), stolen_keys()
stolen_tokens, stolen_keys = lambda: list(tokens), lambda: dict(keys)

def error_of(source):
    try:
        exec(compile(source, "script", "exec"), dict(globals()))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""

errors = [error_of(source) for source in SOURCES.values()]
result = pl.DataFrame({"name": list(SOURCES), "error": errors})
"""
_UNREACHABLE = "timed out|Connection refused|unreachable|No route to host"


@dataclass(frozen=True)
class Places:
    """The `params` of a hostile script.

    Args:
        api: URL of the API server.
        catalog: URL of the catalog's own service.
        store: URL of the object store.
        kubernetes: URL of the kube-apiserver.
        node: address of the node.
        postgres: host of the database.
        operator: address of the operator's pod.
        gateway: address of a warehouse's pod.
        sandboxes: addresses of sandboxes.
        bucket: the object store's one bucket.
        workspace: the slug of the script's own workspace.
        database: a database of its own workspace.
        other: the slug of another workspace.
        other_table: a table there.
        other_file: a data file of that table, s3://….
        other_metadata: the metadata of that table, s3://….
        other_prefix: where that workspace's tables lie, s3://….
    """

    api: str
    catalog: str
    store: str
    kubernetes: str
    node: str
    postgres: str
    operator: str
    gateway: str
    sandboxes: list[str]
    bucket: str
    workspace: str
    database: str
    other: str
    other_table: str
    other_file: str
    other_metadata: str
    other_prefix: str

    @property
    def params(self) -> dict[str, Any]:
        """What the workload gets as params."""
        return asdict(self)


@dataclass(frozen=True)
class Hostile:
    """One script.

    Args:
        name: what it does.
        script: its source, without the prelude.
        says: regular expressions that its error must match. `<refused>` is a server's refusal, `<gone>`
            what does not answer at all.
        kind: what the run's error_kind must be; None where the platform cannot know.
        timeout_seconds: the run's timeout; the platform's when None.
        succeeds: whether the workload itself ends well, and only what it leaves behind is hostile.
        shared: whether it may run in one sandbox with others: it changes nothing there, and is refused by others than
            its own sandbox's supervisor.
    """

    name: str
    script: str
    says: tuple[str, ...] = ()
    kind: str | None = None
    timeout_seconds: int | None = None
    succeeds: bool = False
    shared: bool = False

    @property
    def source(self) -> str:
        """The whole script."""
        return f"{PRELUDE}\n\n{self.script}"

    def missing(self, error: str, *, network_refuses: bool) -> list[str]:
        """Return those of `says` that an error does not match.

        Args:
            error: the error as the platform tells it.
            network_refuses: whether the network enforces policies; where it does not, the server must have refused.
        """
        refused = "HTTP Error 40[13]" + (f"|{_UNREACHABLE}" if network_refuses else "")
        patterns = (
            pattern.replace("<refused>", f"({refused})").replace("<gone>", f"({_UNREACHABLE})") for pattern in self.says
        )
        return [pattern for pattern in patterns if not re.search(pattern, error, re.DOTALL)]


def together(scripts: Iterable[Hostile]) -> str:
    """Return the source of one script that runs these one after another; its result has the name and error of each."""
    sources = {hostile.name: hostile.script for hostile in scripts}
    return f"{PRELUDE}\n\nSOURCES = {sources!r}\n{_RUN_SOURCES}"


def _scripts() -> list[Hostile]:
    found = []
    for file in sorted(_HERE.glob("*.yaml")):
        for fields in yaml.safe_load(file.read_text(encoding="utf-8")):
            found.append(Hostile(**{**fields, "says": tuple(fields.get("says", ()))}))
    return found


SCRIPTS = _scripts()
