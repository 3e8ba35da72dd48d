"""The DuckDB databases of a process, confined to the workspace's part of the object store.

Statements are restricted twice: the API server's parser allows kinds of statements and functions by name, and the
settings made here refuse access to the outside, whatever the SQL. See docs.duckdb.org, "Securing DuckDB".
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import duckdb

from icefield_engines.warehouse.settings import SMALLEST_DUCKDB_BYTES, DuckDBSettings, StoreSettings

EXTENSIONS = ("avro", "httpfs", "iceberg")
"""In the order in which they need each other."""
FILES_SHARE = 4
"""Statements that read files get one part of so many of the memory."""
_IMMUTABLE_FILES: Mapping[str, str | bool] = {
    # Files of Iceberg tables are never written twice, so their metadata can be cached: a tiny scan then takes half the
    # time.
    "enable_http_metadata_cache": True,
    "validate_external_file_cache": "NO_VALIDATION",
    "parquet_metadata_cache": True,
}
_CHANGING_FILES: Mapping[str, str | bool] = {
    "enable_http_metadata_cache": False,
    "enable_external_file_cache": False,
    "parquet_metadata_cache": False,
    # A ten-thousandth of it is a part of an upload, which begins when a part is full.
    "s3_uploader_max_filesize": "100GB",
}
HTTP_TIMEOUT = 30
HTTP_RETRIES = 3


class Databases:
    """The databases of a process: one for tables, whose files never change, and one for files, which do."""

    def __init__(self, tables: duckdb.DuckDBPyConnection, files: duckdb.DuckDBPyConnection) -> None:
        """Use these; use `Databases.open`."""
        self.tables = tables
        self.files = files

    @classmethod
    def open(cls, settings: DuckDBSettings, store: StoreSettings) -> Self:
        """Open both.

        Raises:
            FileNotFoundError: an extension is not installed.
            duckdb.Error: a setting is refused.
        """
        files_bytes = max(SMALLEST_DUCKDB_BYTES, settings.duckdb_memory_bytes // FILES_SHARE)
        tables_bytes = max(SMALLEST_DUCKDB_BYTES, settings.duckdb_memory_bytes - files_bytes)
        return cls(
            open_database(settings, store, tables_bytes, _IMMUTABLE_FILES, "tables"),
            open_database(settings, store, files_bytes, _CHANGING_FILES, "files"),
        )


def open_database(
    settings: DuckDBSettings,
    store: StoreSettings,
    memory_bytes: int,
    caches: Mapping[str, str | bool],
    name: str,
) -> duckdb.DuckDBPyConnection:
    """Open a database, with its extensions loaded and its configuration locked.

    Args:
        settings: what DuckDB is given.
        store: the workspace's part of the object store.
        memory_bytes: how much memory it may hold.
        caches: its settings of what is kept of files that were read.
        name: name of its folder for what it spills.

    Raises:
        FileNotFoundError: an extension is not installed.
        duckdb.Error: a setting is refused.
    """
    spill = settings.spill_directory / "duckdb" / name
    spill.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect(":memory:", config={"threads": str(settings.threads)})
    _set(
        database,
        {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_persistent_secrets": False,  # can only be set before the first secret
        },
    )
    for extension in EXTENSIONS:
        database.execute(f"LOAD {literal(str(_extension_file(extension)))}")
    _set(
        database,
        {
            "memory_limit": f"{memory_bytes} bytes",
            "temp_directory": str(spill),
            "max_temp_directory_size": f"{settings.spill_bytes} bytes",
            "TimeZone": "UTC",
            "http_timeout": HTTP_TIMEOUT,
            "http_retries": HTTP_RETRIES,
            **caches,
            "httpfs_connection_caching": True,
            "arrow_lossless_conversion": False,
        },
    )
    database.execute(_secret(store))
    _lock(database, store)
    return database


def identifier(name: str) -> str:
    """Return a name as DuckDB's SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return text as a literal of DuckDB's SQL."""
    return "'" + text.replace("'", "''") + "'"


def _lock(database: duckdb.DuckDBPyConnection, store: StoreSettings) -> None:
    database.execute(f"SET allowed_directories = [{literal(store.url + '/')}]")
    _set(
        database,
        {
            "python_enable_replacements": False,  # a table's name would resolve to our own variables
            "python_scan_all_frames": False,
            "enable_global_s3_configuration": False,
            "allow_community_extensions": False,
            "allow_unredacted_secrets": False,
            "enable_external_access": False,
            "lock_configuration": True,
        },
    )


def _set(database: duckdb.DuckDBPyConnection, values: dict[str, str | bool | int]) -> None:
    for name, value in values.items():
        database.execute(f"SET {name} = {literal(value) if isinstance(value, str) else str(value).lower()}")


def _secret(store: StoreSettings) -> str:
    """Return the statement that gives DuckDB the workspace's keys, for the workspace's prefix alone."""
    options = {
        "KEY_ID": literal(store.access_key_id),
        "SECRET": literal(store.secret_access_key.get_secret_value()),
        "REGION": literal(store.region),
        "SCOPE": literal(store.url),
    }
    if store.host:
        options |= {"ENDPOINT": literal(store.host), "URL_STYLE": "'path'", "USE_SSL": str(store.uses_tls).lower()}
    return f"CREATE SECRET workspace (TYPE s3, {', '.join(f'{name} {value}' for name, value in options.items())})"


def _extension_file(name: str) -> Path:
    """Return the file of an extension that was installed as a Python package."""
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        for file in Path(folder).glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension"):
            return file
    raise FileNotFoundError(f"the extension {name} for DuckDB {duckdb.__version__} is not installed")
