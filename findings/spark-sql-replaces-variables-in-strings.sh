#!/usr/bin/env bash
# Spark SQL: `${…}` inside a string literal is replaced before the statement is parsed, in every session, without a setting.
#
# Versions   pyspark 4.0.2, with the `java` that is there (17 or 21)
# Expected   A string literal is what it says: spark.sql("SELECT 'Dear ${name}'") has the row `Dear ${name}`, as in
#            any other database, and as in a DataFrame with that literal.
# Seen       `Dear `, without a word: an unknown variable is the empty string, so text that was to be stored is lost.
#            Comments and identifiers are replaced too. The Hive shell did this; here the server does it for every client,
#            Spark Connect's among them. `spark.sql.variable.substitute=false` ends it.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.0.2
"$folder/venv/bin/python" - <<'PYTHON'
from pyspark.sql import SparkSession
from pyspark.sql.functions import lit

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")


def answer(text: str) -> object:
    return spark.sql(text).first()[0]


query = "SELECT 'Dear ${name}' AS `${column}t`"
print("SQL:      ", repr(answer(query)), spark.sql(query).columns)
assert (answer(query), spark.sql(query).columns) == ("Dear ", ["t"])
assert spark.range(1).select(lit("Dear ${name}")).first()[0] == "Dear ${name}"
spark.conf.set("spark.sql.variable.substitute", "false")
print("switched off:", repr(answer(query)))
assert answer(query) == "Dear ${name}"
spark.stop()
PYTHON
