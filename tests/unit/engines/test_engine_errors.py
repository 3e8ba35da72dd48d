"""Errors of engines as codes and sentences, without secrets."""

from __future__ import annotations

from types import SimpleNamespace

import duckdb
import pytest

from icefield_engines.warehouse.duck.execution import describe_error as duckdb_problem
from icefield_engines.warehouse.errors import Scrubber
from icefield_engines.warehouse.spark.errors import describe_error as spark_problem
from icefield_engines.warehouse.spark.errors import is_lost

ROOT = "s3://bucket/workspaces/w"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT 'x'::INT", "CONVERSION_ERROR"),
        ("SELECT 9223372036854775807 + 1::BIGINT", "OUT_OF_RANGE"),
        ("SELECT * FROM nope", "CATALOG_ERROR"),
        ("SELECT nope FROM range(3)", "BINDER_ERROR"),
        ("SELEC", "PARSER_ERROR"),
        ("SELECT error('why: LINE 1')", "INVALID_INPUT_ERROR"),
        ("SELECT error('[DIVIDE_BY_ZERO] Division by zero.')", "DIVIDE_BY_ZERO"),
        ("SELECT error('[ENGINE_LOST] It is gone.')", "INVALID_INPUT_ERROR"),
    ],
)
def test_duckdb_errors(sql: str, code: str) -> None:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.connect().execute(sql).fetchall()
    found, message = duckdb_problem(caught.value, ROOT)
    assert found == code
    assert "LINE 1:" not in message


def test_a_lack_of_memory_has_a_code_of_its_own() -> None:
    connection = duckdb.connect(config={"memory_limit": "20MB", "max_temp_directory_size": "0KB"})
    with pytest.raises(duckdb.Error) as caught:
        connection.execute("SELECT list(range) FROM range(100000000)").fetchall()
    code, message = duckdb_problem(caught.value, ROOT)
    assert code == "OUT_OF_MEMORY"
    assert "Possible solutions" not in message


def test_a_row_that_cannot_be_read_is_named_with_its_file_and_line() -> None:
    message = (
        'Conversion Error: CSV Error on Line: 3\nOriginal Line: 2,many\nError when converting column "fare". Could not '
        f"convert string \"many\" to 'DOUBLE'\n\nPossible solutions:\n\n  file = {ROOT}/volumes/sales/raw/a.csv"
        "\n  delimiter = ,"
    )
    assert duckdb_problem(duckdb.ConversionException(message), ROOT) == (
        "CONVERSION_ERROR",
        "Line 3 of volumes/sales/raw/a.csv: column fare: Could not convert string \"many\" to 'DOUBLE'.",
    )


class _SparkError(Exception):
    """An error as pyspark's are, without the seconds that importing pyspark takes."""

    def __init__(self, message: str, condition: str | None = None) -> None:
        super().__init__(message)
        self._message = message
        self._condition = condition

    def getCondition(self) -> str | None:  # noqa: N802 - pyspark's name
        return self._condition


@pytest.mark.parametrize(
    ("message", "condition", "code", "sentence"),
    [
        (
            "[TABLE_OR_VIEW_NOT_FOUND] The table `x` is unknown. SQLSTATE: 42P01; line 1 pos 14;\n'Project [*]\n+- x",
            "TABLE_OR_VIEW_NOT_FOUND",
            "TABLE_OR_VIEW_NOT_FOUND",
            "[TABLE_OR_VIEW_NOT_FOUND] The table `x` is unknown. SQLSTATE: 42P01; line 1 pos 14",
        ),
        (
            "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012\n== SQL (line 1, position 8) ==\nselect 1/0\n",
            "DIVIDE_BY_ZERO",
            "DIVIDE_BY_ZERO",
            "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012",
        ),
        (
            "(org.apache.iceberg.exceptions.ValidationException) Cannot roll back to unknown snapshot id: 1",
            None,
            "VALIDATION",
            "Cannot roll back to unknown snapshot id: 1",
        ),
        ("Job aborted: java.lang.OutOfMemoryError: Java heap space", None, "OUT_OF_MEMORY", None),
    ],
)
def test_spark_errors(message: str, condition: str | None, code: str, sentence: str | None) -> None:
    found, message_found = spark_problem(_SparkError(message, condition))
    assert found == code
    assert sentence is None or message_found == sentence


class _CallError(Exception):
    """A gRPC call that failed: its text is its repr."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"<_MultiThreadedRendezvous of RPC that terminated with: status = StatusCode.{status}>")
        self._status, self._details = status, details

    def code(self) -> SimpleNamespace:
        return SimpleNamespace(name=self._status)

    def details(self) -> str:
        return self._details


def _about(call: _CallError) -> Exception:
    """Return what pyspark raises for a call without a status of Spark's."""
    try:
        try:
            raise call
        except _CallError as failed:
            raise _SparkError(str(failed), "SPARK_CONNECT_GRPC") from None
    except _SparkError as error:
        return error


TOO_DEEP = ("STATEMENT_TOO_DEEP", "The statement nests too deep for Spark; make several of it.")


@pytest.mark.parametrize(
    "error",
    [
        _about(_CallError("UNKNOWN", "")),
        _SparkError("[FAILED_TO_PARSE_TOO_COMPLEX] Too complex.\nTo mitigate …", "FAILED_TO_PARSE_TOO_COMPLEX"),
        _SparkError("Job aborted due to stage failure: java.lang.StackOverflowError"),
        _SparkError("(java.lang.StackOverflowError) null"),
    ],
)
def test_a_stack_that_overflowed_is_said_so(error: Exception) -> None:
    assert spark_problem(error) == TOO_DEEP


def test_a_failed_call_says_its_details_only() -> None:
    assert spark_problem(_about(_CallError("RESOURCE_EXHAUSTED", "too large"))) == ("SPARK_CONNECT_GRPC", "too large")
    code, message = spark_problem(_about(_CallError("INTERNAL", "")))
    assert (code, "<" in message) == ("SPARK_CONNECT_GRPC", False)
    assert is_lost(_about(_CallError("UNAVAILABLE", "failed to connect")))


@pytest.mark.parametrize(
    ("message", "condition", "lost"),
    [
        ("status = StatusCode.UNAVAILABLE details = failed to connect to all addresses", None, True),
        ("Stream removed (recvmsg:Connection reset by peer (104))", None, True),
        ("session not found", "INVALID_HANDLE.SESSION_NOT_FOUND", True),
        ("[DIVIDE_BY_ZERO] Division by zero.", "DIVIDE_BY_ZERO", False),
        ("Cannot invoke RPC on closed channel!", None, True),
    ],
)
def test_a_lost_spark_is_told_from_a_failed_statement(message: str, condition: str | None, lost: bool) -> None:
    assert is_lost(_SparkError(message, condition)) is lost


def test_secrets_are_taken_out() -> None:
    scrub = Scrubber(["key-of-acme", "key-of-acme-and-more", "", "abc"])
    assert scrub("for key-of-acme-and-more and key-of-acme: abc") == "for *** and ***: abc"
