"""Run each engine, one after the other, and print one table of what worked."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import from_duckdb, from_pyiceberg, from_spark, from_trino
from .place import Place

STEPS = ("create", "write", "update", "read")


@dataclass(frozen=True)
class Engine:
    """An engine: its version, and what uses a table and yields each step that worked."""

    version: Callable[[], str]
    use: Callable[[Place, str], Iterator[str]]


ENGINES = {
    "pyiceberg": Engine(lambda: from_pyiceberg.VERSION, from_pyiceberg.use),
    "duckdb": Engine(lambda: from_duckdb.VERSION, from_duckdb.use),
    "spark": Engine(lambda: from_spark.VERSION, from_spark.use),
    "trino": Engine(from_trino.version, from_trino.use),
}


def tried(place: Place, engine: Engine) -> tuple[list[str], str]:
    """Return the steps that worked, and the first line of what stopped the engine; empty when nothing did."""
    table, done = f"t_{secrets.token_hex(4)}", list[str]()
    try:
        for step in engine.use(place, table):
            done.append(step)
    except Exception as error:
        return done, f"{type(error).__name__}: {error}".partition("\n")[0]
    finally:
        place.drop(table)
    return done, ""


def main() -> int:
    """Return 0 when everything worked with every engine that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", help=f"all of {', '.join(ENGINES)} when there are none")
    parser.add_argument("--folder", type=Path, help="an empty folder, which is kept, for logs and configurations")
    arguments = parser.parse_args()
    names = arguments.engines or list(ENGINES)
    shown = Table("engine", "version", *STEPS, "stopped by")
    is_complete = True
    with tempfile.TemporaryDirectory() as scratch:
        place = Place.of_environment(arguments.folder or Path(scratch))
        for name in names:
            place.make_database()
            done, problem = tried(place, ENGINES[name])
            is_complete &= not problem
            shown.add_row(name, ENGINES[name].version(), *("yes" if step in done else "-" for step in STEPS), problem)
    Console(width=200).print(shown)
    return 0 if is_complete else 1


sys.exit(main())
