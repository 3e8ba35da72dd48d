"""Record what Spark answers: `python -m tests.unit.sql.record_parity` rewrites parity.json (needs Java 17).

parity.json holds, for each expression and query, Spark's types and rows, or its error class; test_parity.py compares
what DuckDB answers to what our SQL is translated to.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from .parity_table import COLUMNS, ROWS, plain

HERE = Path(__file__).parent
_CONF = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
}


def main() -> None:
    """Ask Spark, and write parity.json."""
    builder = SparkSession.builder.master("local[1]")
    for key, value in _CONF.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    _create_table(spark)
    answers = []
    for query in queries():
        answers.append({"sql": query, **_answer(spark, query)})
    text = ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
    (HERE / "parity.json").write_text(f"[\n{text}\n]\n", "utf-8")
    spark.stop()


def queries() -> list[str]:
    """Return the queries: one per expression of expressions.txt, and those of queries.txt."""
    expressions = (HERE / "expressions.txt").read_text("utf-8").splitlines()
    whole = (HERE / "queries.txt").read_text("utf-8").splitlines()
    return [f"SELECT {one} AS y FROM t ORDER BY g, j" for one in expressions if one] + [one for one in whole if one]


def _create_table(spark: SparkSession) -> None:
    casts = ", ".join(f"CAST(c{index} AS {kind}) AS {name}" for index, (name, kind) in enumerate(COLUMNS.items()))
    names = ", ".join(f"c{index}" for index in range(len(COLUMNS)))
    values = ", ".join(f"({row})" for row in ROWS)
    spark.sql(f"SELECT {casts} FROM VALUES {values} AS v({names})").cache().createOrReplaceTempView("t")


def _answer(spark: SparkSession, query: str) -> dict[str, Any]:
    try:
        frame = spark.sql(query)
        rows = [[plain(value) for value in row] for row in frame.collect()]
        return {"types": [kind for _, kind in frame.dtypes], "rows": rows}
    except Exception as error:
        found = re.search(r"\[([A-Z_]+)", str(error))
        return {"error": found.group(1) if found else type(error).__name__}


if __name__ == "__main__":
    main()
