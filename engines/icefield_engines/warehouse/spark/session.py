"""One session on the Spark Connect server. Importing this module imports pyspark, which takes seconds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyspark.errors import PySparkTypeError
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from icefield_engines.warehouse.engine import Rows
from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.results.types import conversion, list_of, map_of, plain

SNAPSHOT_PROPERTY = "spark.sql.iceberg.snapshot-property.icefield.statement-id"
"""Iceberg writes its value to the summary of each snapshot of a session (SparkSQLProperties)."""
_CHANNEL_OPTIONS = [
    # Otherwise a new session waits for minutes, as gRPC remembers that the server was unreachable.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_WARM_UP = ("SELECT id % 3 AS k, count(*) FROM range(100) GROUP BY 1", "SHOW NAMESPACES")

# It writes each failed statement, SQL and all, to the log, however the log is set up.
logging.getLogger("SQLQueryContextLogger").disabled = True


class Session:
    """A session that runs one statement at a time."""

    def __init__(self, remote: str) -> None:
        """Connect to a Spark Connect server.

        Raises:
            Exception: what pyspark raises when it is unreachable.
        """
        builder = DefaultChannelBuilder(f"{remote}/;user_id=icefield", _CHANNEL_OPTIONS)
        self._spark: Any = SparkSession(connection=builder)
        # An execution that is attached again, or tried again, may run twice: a write would be applied twice.
        self._spark.client.disable_reattachable_execute()
        self._spark.client.set_retry_policies([])

    def warm_up(self) -> None:
        """Run what the first statement would otherwise wait for."""
        for sql in _WARM_UP:
            for _ in self.run(sql).batches:
                pass

    def prepare(self, statement_id: str, signature: str) -> None:
        """Have the operations of the next statement carry its id, and its snapshots its signature."""
        self._spark.conf.set(SNAPSHOT_PROPERTY, signature)
        self._spark.clearTags()
        self._spark.addTag(statement_id)

    def run(self, sql: str) -> Rows:
        """Run a statement: commands are through when this returns, queries run as their batches are read."""
        frame = self._spark.sql(sql)
        relation = frame._plan.plan(self._spark.client)
        if relation.HasField("local_relation"):
            return _local_rows(relation.local_relation.data)
        responses = self._spark.client.to_table_as_iterator(frame._plan.to_proto(self._spark.client), {})
        return _rows(responses)

    def interrupt(self, statement_id: str) -> None:
        """Have Spark stop a statement, from another thread."""
        self._spark.interruptTag(statement_id)

    def ping(self) -> None:
        """Check that the server answers.

        Raises:
            Exception: what pyspark raises when there is no answer.
        """
        str(self._spark.version)

    def close(self, *, is_lost: bool = False) -> None:
        """Close the session; a lost one is not ended on its server."""
        self._spark.release_session_on_close = not is_lost
        try:
            self._spark.stop()
        except Exception:
            logging.getLogger(__name__).debug("A session could not be closed", exc_info=True)


def _local_rows(data: bytes) -> Rows:
    """Return what a command returned with its answer."""
    if not data:
        return Rows(pa.schema([]))
    with pa.ipc.open_stream(data) as reader:
        source = reader.schema
        batches = list(reader)
    target = pa.schema([pa.field(field.name, plain(field.type)) for field in source])
    return Rows(target, map(conversion(source, target), batches))


def _rows(responses: Iterator[Any]) -> Rows:
    """Return what a query returns: its schema comes before its first rows."""
    for response in responses:
        if isinstance(response, StructType):
            target = schema_of(response)
            return Rows(target, _batches(responses, target))
        if isinstance(response, pa.Table):
            break
    raise EngineError(Code.INTERNAL_ERROR, "Spark did not report the schema of the result.")


def _batches(responses: Iterator[Any], target: pa.Schema) -> Iterator[pa.RecordBatch]:
    for response in responses:
        if isinstance(response, pa.Table):
            yield from map(conversion(response.schema, target), response.to_batches())


def schema_of(schema: StructType) -> pa.Schema:
    """Return the plain schema of what Spark returns.

    Raises:
        EngineError: UNSUPPORTED_TYPE.
    """
    for field in schema:
        if "variant" in field.dataType.simpleString():
            message = f"The column {field.name} is a variant; cast it to a string."
            raise EngineError(Code.UNSUPPORTED_TYPE, message)
    try:
        return pa.schema([pa.field(field.name, _plain_of(field.dataType)) for field in schema])
    except PySparkTypeError as error:
        message = "A column of the result has a type that cannot be shown; cast it to a string."
        raise EngineError(Code.UNSUPPORTED_TYPE, message) from error


def _plain_of(kind: DataType) -> pa.DataType:
    """Return the plain type of a Spark type; `array()` has voids that are not nullable, which pyarrow refuses."""
    if isinstance(kind, ArrayType):
        return list_of(_plain_of(kind.elementType))
    if isinstance(kind, MapType):
        return map_of(_plain_of(kind.keyType), _plain_of(kind.valueType))
    if isinstance(kind, StructType):
        return pa.struct([pa.field(field.name, _plain_of(field.dataType)) for field in kind])
    return plain(to_arrow_type(kind))
