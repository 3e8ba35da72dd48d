"""Why an application failed, from what it printed."""

from __future__ import annotations

import pytest

from icefield_engines.spark_application.failure import LIMIT_BYTES, Sizes, cut, sentence

SIZES = Sizes("4096Mi", "2048Mi")

PYTHON = """
Traceback (most recent call last):
  File "/spill/spark/files/0/main.py", line 12, in <module>
    load(spark)
  File "/spill/spark/files/0/main.py", line 7, in load
    rows["missing"]
    ~~~~^^^^^^^^^^^
KeyError: 'missing'
"""
NOT_FOUND = """
Traceback (most recent call last):
  File "/opt/icefield/app/icefield_engines/spark_application/query.py", line 79, in run
    spark.sql(text)
pyspark.errors.exceptions.captured.AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `sales`.`nope` \
cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42P01; line 1 pos 14;
'Project [*]
+- 'UnresolvedRelation [sales, nope], [], false
"""
SYNTAX = """
Traceback (most recent call last):
  File "/opt/icefield/app/icefield_engines/spark_application/query.py", line 79, in run
    spark.sql(text)
pyspark.errors.exceptions.captured.ParseException:
[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601 (line 1, pos 0)

== SQL ==
SELEC 1
^^^
"""
OURS = """
Traceback (most recent call last):
  File "/opt/icefield/app/icefield_engines/spark_application/query.py", line 120, in <module>
icefield_engines.spark_application.errors.ApplicationError: database nowhere does not exist
"""
IN_PY4J = """
Traceback (most recent call last):
  File "/spill/spark/files/0/main.py", line 4, in <module>
    spark.sparkContext._jvm.com.example.fail()
py4j.protocol.Py4JJavaError: An error occurred while calling o26.fail.
: org.apache.spark.SparkException: Job aborted due to stage failure
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2935)
Caused by: java.lang.IllegalStateException: the file is empty
\tat com.example.Reader.read(Reader.java:7)
"""
IN_A_WORKER = """
Traceback (most recent call last):
  File "/spill/spark/files/0/main.py", line 4, in <module>
    spark.range(4).rdd.map(f).collect()
py4j.protocol.Py4JJavaError: An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 1 in stage 0.0 failed 1 times, most \
recent failure: Lost task 1.0: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/tmp/spark/python/worker.py", line 2044, in main
ZeroDivisionError: division by zero

\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2935)
Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/tmp/spark/python/worker.py", line 2044, in main
ZeroDivisionError: division by zero

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:581)
"""
INTERRUPTED = """
26/11/22 18:50:01 ERROR Utils: Aborting task
software.amazon.awssdk.core.exception.AbortedException: Thread was interrupted
\tat software.amazon.awssdk.core.exception.AbortedException$BuilderImpl.build(AbortedException.java:93)
Caused by: software.amazon.awssdk.core.internal.http.timers.SdkInterruptedException
\t... 23 more
"""
JAVA = """
Exception in thread "main" java.lang.RuntimeException: cannot start
\tat com.example.Main.main(Main.java:3)
Caused by: com.example.ConfigException: no such setting: day
\tat com.example.Config.get(Config.java:9)
"""
LOST = """
Caused by: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 failed 4 times, most \
recent failure: Lost task 0.3 in stage 0.0 (TID 3) (10.0.0.9 executor 4): ExecutorLostFailure (executor 4 exited \
caused by one of the running tasks) Reason: The executor with id 4 exited with exit code {code}.
"""
UNRESOLVED = """
Exception in thread "main" java.lang.RuntimeException: [unresolved dependency: org.example#missing_2.13;1.0: not found]
"""


@pytest.mark.parametrize(
    ("printed", "code", "why"),
    [
        (PYTHON, 1, "main.py line 7: KeyError: 'missing'"),
        (NOT_FOUND, 1, "table sales.nope does not exist"),
        (SYNTAX, 1, "ParseException: [PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. (line 1, pos 0)"),
        (OURS, 1, "database nowhere does not exist"),
        (IN_PY4J, 1, "main.py line 4: IllegalStateException: the file is empty"),
        (IN_A_WORKER, 1, "main.py line 4: ZeroDivisionError: division by zero"),
        (JAVA, 1, "ConfigException: no such setting: day"),
        # Other tasks that the failure interrupted speak last.
        (IN_PY4J + INTERRUPTED, 1, "main.py line 4: IllegalStateException: the file is empty"),
        (PYTHON + INTERRUPTED, 1, "main.py line 7: KeyError: 'missing'"),
        (NOT_FOUND + INTERRUPTED, 1, "table sales.nope does not exist"),
        (INTERRUPTED, 1, "SdkInterruptedException"),
        # What was caught and printed before is not the reason.
        (JAVA + PYTHON, 1, "main.py line 7: KeyError: 'missing'"),
        (
            LOST.format(code="137(SIGKILL, possible container OOM)"),
            1,
            "an executor ran out of memory (limit 2048Mi); ask for executors with more memory",
        ),
        (LOST.format(code=1), 1, "executor 4 was lost: The executor with id 4 exited with exit code 1"),
        (
            "Terminating due to java.lang.OutOfMemoryError: Java heap space\n",
            3,
            "the driver ran out of memory (limit 4096Mi): Java heap space; ask for a driver with more memory",
        ),
        (
            "",
            137,
            "the driver was killed, most likely because it ran out of memory (limit 4096Mi); "
            "ask for a driver with more memory",
        ),
        ("Error: Failed to load class com.example.Main.\n", 101, "there is no class com.example.Main in the jar"),
        (UNRESOLVED, 1, "package org.example:missing_2.13:1.0 was not found"),
        ("all is well\n", 7, "the application ended with exit code 7"),
    ],
)
def test_the_last_cause_in_a_sentence(printed: str, code: int, why: str) -> None:
    assert sentence(f"started\n{printed}ended\n", code, SIZES, "main.py") == why


def test_it_fits_a_termination_message() -> None:
    assert len(cut("ü" * 5000).encode()) <= LIMIT_BYTES
    assert cut("short") == "short"
