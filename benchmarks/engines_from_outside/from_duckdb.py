"""DuckDB, with the extensions that PyPI has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_iceberg

from . import statements
from .place import DATABASE, Place

VERSION = duckdb.__version__
EXTENSIONS = ("httpfs", "avro", "iceberg")


def use(place: Place, table: str) -> Iterator[str]:
    """Create, write, update and read a table; yield each thing that worked."""
    with _connected(place) as connection:
        yield from statements.run(
            lambda text: connection.execute(text).fetchall(),
            f"lake.{DATABASE}.{table}",
            "(id BIGINT, name VARCHAR)",
        )


def _connected(place: Place) -> duckdb.DuckDBPyConnection:
    folder = Path(duckdb_extension_iceberg.__file__).parents[1]
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    for name in EXTENSIONS:
        (file,) = folder.glob(f"duckdb_extension_{name}/extensions/*/{name}.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute(f"SET ca_cert_file = '{place.ca_bundle}'")
    connection.execute(f"CREATE SECRET (TYPE iceberg, TOKEN '{place.token}')")
    connection.execute(f"ATTACH '{place.workspace}' AS lake (TYPE iceberg, ENDPOINT '{place.uri}')")
    return connection
