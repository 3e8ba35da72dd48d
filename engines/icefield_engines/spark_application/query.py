"""Run by spark-submit, the application's file as argument: a query whose result becomes a table, or a statement."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from icefield_crds import SaveMode, SparkApplication, SparkQuery
from icefield_engines.spark_application.errors import ApplicationError
from icefield_engines.spark_application.settings import ApplicationSettings

DEFAULT = "default"
"""The database that always exists; and the name of the schema that is the database itself."""
_ROWS_SHOWN = 100


class TableName(NamedTuple):
    """A table of the workspace's catalog."""

    namespace: tuple[str, ...]
    name: str

    @property
    def quoted_namespace(self) -> str:
        """Its namespace as SQL writes it."""
        return ".".join(f"`{part}`" for part in self.namespace)

    @property
    def quoted(self) -> str:
        """Its name as SQL writes it."""
        return f"{self.quoted_namespace}.`{self.name}`"

    def __str__(self) -> str:
        """Return its name, unquoted."""
        return ".".join((*self.namespace, self.name))


def table_of(text: str, catalog_names: Sequence[str]) -> TableName:
    """Return the table that namespace.table, or database.schema.table, means, with the catalog's name in front or not.

    Raises:
        ApplicationError: it is no such name.
    """
    parts = text.split(".")
    if len(parts) > 1 and parts[0].lower() in {name.lower() for name in catalog_names}:
        parts = parts[1:]
    match parts:
        case [database, name]:
            return TableName((database,), name)
        case [database, schema, name]:
            return TableName((database,) if schema.lower() == DEFAULT else (database, schema), name)
    raise ApplicationError(f"{text} is not the name of a table, as in namespace.table")


def run(spark: SparkSession, query: SparkQuery, catalog_names: Sequence[str]) -> None:
    """Run a query, and write its result to its output table.

    Raises:
        ApplicationError: the table cannot have this name.
        PySparkException: Spark refuses the statement.
    """
    text = query.query.strip().rstrip(";")
    if query.output_table is None:
        _show(spark.sql(text))
        return
    table = table_of(query.output_table, catalog_names)
    _ensure_namespace(spark, table)
    if query.write_mode is SaveMode.OVERWRITE:
        spark.sql(f"CREATE OR REPLACE TABLE {table.quoted} USING iceberg AS {text}")
    else:
        _append(spark, table, text)
    print(f"wrote {table}")


def _append(spark: SparkSession, table: TableName, text: str) -> None:
    if not spark.catalog.tableExists(table.quoted):
        try:
            spark.sql(f"CREATE TABLE {table.quoted} USING iceberg AS {text}")
            return
        except AnalysisException as error:
            if error.getCondition() != "TABLE_OR_VIEW_ALREADY_EXISTS":
                raise
    spark.sql(f"INSERT INTO {table.quoted} BY NAME {text}")


def _ensure_namespace(spark: SparkSession, table: TableName) -> None:
    if spark.catalog.databaseExists(table.quoted_namespace):
        return
    if table.namespace != (DEFAULT,):
        kind = "database" if len(table.namespace) == 1 else "schema"
        raise ApplicationError(f"{kind} {'.'.join(table.namespace)} does not exist")
    spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {table.quoted_namespace}")


def _show(answer: Any) -> None:
    if answer.columns:
        answer.show(_ROWS_SHOWN, truncate=False)


def main() -> None:
    """Run the query of the file that is named by the argument."""
    application = SparkApplication.model_validate_json(Path(sys.argv[1]).read_bytes())
    assert application.sql, "an application with a query"  # noqa: S101
    spark = SparkSession.builder.getOrCreate()
    run(spark, application.sql, ApplicationSettings().names)
    spark.stop()


if __name__ == "__main__":
    main()
