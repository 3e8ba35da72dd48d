"""What a maintenance run executes: a program that calls Iceberg's procedures, and the plan that it reads. Pure.

Source: Iceberg 1.11, "Spark Procedures".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from icefield_crds.execution import File

from .model import Compaction, Operations

COMMAND = "python maintain.py"
DEFAULT_INPUT_FILES = 5


@dataclass(frozen=True)
class Procedure:
    """A procedure that is called for each table.

    Attributes:
        name: of the procedure in Spark's namespace `system`.
        arguments: SQL texts by the name of the parameter, without `table`.
        older_than_hours: hours before the call of which `older_than` is the time; None for no such argument.
    """

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    older_than_hours: int | None = None


def procedures_of(operations: Operations) -> list[Procedure]:
    """Return the procedures of declared operations, in the order in which each has the most effect.

    Compaction replaces files, which the manifests then list and old snapshots still have; orphans come last.
    """
    done = operations.effective
    procedures = []
    if done.compaction:
        procedures.append(compaction_of(done.compaction))
    if done.manifest_rewrite:
        procedures.append(Procedure("rewrite_manifests"))
    if expiration := done.snapshot_expiration:
        keep = expiration.min_snapshots_to_keep
        arguments = {} if keep is None else {"retain_last": str(keep)}
        procedures.append(Procedure("expire_snapshots", arguments, expiration.max_snapshot_age_hours))
    if removal := done.orphan_file_removal:
        procedures.append(Procedure("remove_orphan_files", older_than_hours=removal.older_than_hours))
    return procedures


def compaction_of(compaction: Compaction) -> Procedure:
    """Return the procedure that rewrites data files, and drops deletes that no file needs any more."""
    options = {
        "min-input-files": compaction.min_input_files or DEFAULT_INPUT_FILES,
        "target-file-size-bytes": compaction.target_file_size_bytes,
        "remove-dangling-deletes": "true",
    }
    given = (f"'{name}', '{value}'" for name, value in options.items() if value is not None)
    return Procedure("rewrite_data_files", {"options": f"map({', '.join(given)})"})


def execution_of(database: str, table: str | None, procedures: Sequence[Procedure]) -> dict[str, Any]:
    """Return the fields of an Execution that maintains a table, or each table of a database.

    Args:
        database: name of the database.
        table: name of the table below it, with its schema if that is not `default`; None for all of them.
        procedures: what is called, in this order.
    """
    plan = {"database": database, "table": table, "procedures": [asdict(procedure) for procedure in procedures]}
    return {
        "command": COMMAND,
        "files": [
            File(path="maintain.py", content=_program()),
            File(path="plan.json", content=json.dumps(plan, ensure_ascii=False)),
        ],
    }


@cache
def _program() -> str:
    return resources.files(__package__).joinpath("program.py").read_text(encoding="utf-8")
