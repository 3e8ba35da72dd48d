"""The launcher of Spark applications with a real Spark in local mode, over a real object store and a real catalog."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from pyiceberg.catalog import Catalog

from icefield_cluster import jars
from icefield_crds import SparkApplication
from icefield_engines.spark_application.failure import Sizes, sentence
from tests.catalog import RunningCatalog, Site

from .conftest import NAMESPACE, SLUG
from .pod import new_name

pytestmark = pytest.mark.integration

RUN_ID = "run_0123456789ab"
TIMEOUT = 600


@dataclass
class Outcome:
    """What became of an application."""

    code: int
    printed: str
    why: str


class Driver:
    """The driver's pod of one application, without Kubernetes."""

    def __init__(self, folder: Path, catalog: RunningCatalog, site: Site) -> None:
        self.folder = folder
        self.site = site
        self.store = boto3.client(
            "s3",
            endpoint_url=site.endpoint,
            region_name="us-east-1",
            aws_access_key_id=site.access_key_id,
            aws_secret_access_key=site.secret_access_key,
        )
        self.environment = {
            **os.environ,
            **site.environment,
            **catalog.environment(site.slug),
            "ICEFIELD_WORKSPACE": site.slug,
            "ICEFIELD_CATALOG_NAMES": f"{site.slug},oleander",
            "ICEFIELD_RUN_ID": RUN_ID,
            "ICEFIELD_APPLICATION": str(folder / "application.json"),
            "ICEFIELD_JARS": str(jars.ensure("warehouse", folder / "jars.log")),
            "ICEFIELD_SPILL_DIRECTORY": str(folder),
            "ICEFIELD_MEMORY_LIMIT_BYTES": str(1600 * 1024 * 1024),
            "ICEFIELD_TERMINATION_LOG": str(folder / "termination-log"),
            "PARAM_WHO": "world",
        }

    def upload(self, name: str, text: str) -> str:
        """Put a program into the workspace's part of the object store; return its URL."""
        key = f"{self.site.environment['ICEFIELD_PREFIX']}/artifacts/{self.folder.name}/{name}"
        self.store.put_object(Bucket=self.site.bucket, Key=key, Body=textwrap.dedent(text).encode())
        return f"s3://{self.site.bucket}/{key}"

    def start(self, **application: Any) -> subprocess.Popen[str]:
        """Start the launcher of this application."""
        document = SparkApplication.model_validate({"executors": 0, **application}).to_api()
        (self.folder / "application.json").write_text(json.dumps(document))
        argv = ["nice", "-n", "5", sys.executable, "-m", "icefield_engines.spark_application"]
        return subprocess.Popen(argv, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, process: subprocess.Popen[str]) -> Outcome:
        """Wait for the end of it."""
        try:
            printed, _ = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
        log = self.folder / "termination-log"
        return Outcome(process.returncode, printed, log.read_text() if log.exists() else "")

    def run(self, **application: Any) -> Outcome:
        """Run an application to its end."""
        return self.end(self.start(**application))


@pytest.fixture
def driver(embedded_catalog: RunningCatalog, catalog: Catalog, tmp_path: Path) -> Driver:
    """A driver in the workspace of this session."""
    return Driver(tmp_path, embedded_catalog, embedded_catalog.ensure(SLUG))


PROGRAM = """
    import os, sys
    from pyspark.sql import SparkSession
    from greeting import greet

    spark = SparkSession.builder.getOrCreate()
    print(greet(os.environ["PARAM_WHO"]), sys.argv[1:])
    spark.range(5).withColumnRenamed("id", "n").writeTo(sys.argv[1]).create()
    double = spark.udf.register("double", lambda n: n * 2, "long")
    answer = spark.sql(f"SELECT sum(double(n)) AS s FROM oleander.{sys.argv[1]}")
    print(answer.first().s, spark.conf.get("spark.master"))
"""


def test_a_python_program_with_a_library(driver: Driver, catalog: Catalog) -> None:
    table = f"{NAMESPACE}.{new_name()}"
    outcome = driver.run(
        entrypoint=driver.upload("main.py", PROGRAM),
        pyFiles=[driver.upload("greeting.py", "def greet(who):\n    return 'hello ' + who\n")],
        arguments=[table, "two words"],
        conf={"spark.master": "local[1]", "spark.sql.shuffle.partitions": "2"},
    )
    assert outcome.code == 0, outcome.printed
    assert f"hello world ['{table}', 'two words']" in outcome.printed
    assert "20 local[*]" in outcome.printed
    assert "ignored, because the platform sets them: spark.master" in outcome.printed
    made = catalog.load_table(table)
    assert sorted(made.scan().to_arrow()["n"].to_pylist()) == [0, 1, 2, 3, 4]
    assert [s.summary and s.summary["icefield.run-id"] for s in made.snapshots()] == [RUN_ID]


SEVERAL = """
    import json, sys, traceback
    from pyspark.sql import SparkSession
    from icefield_crds import SparkQuery
    from icefield_engines.spark_application.query import run

    spark = SparkSession.builder.getOrCreate()
    names, queries = map(json.loads, sys.argv[1:])
    for number, query in enumerate(queries):
        print(f"query {number}", flush=True)
        try:
            run(spark, SparkQuery.model_validate(query), names)
        except Exception:
            traceback.print_exc()
        sys.stderr.flush()
"""
NAME = new_name()
OUTPUT = f"{NAMESPACE}.{NAME}"
SUCCEEDING = (
    {"query": "SELECT 1 AS id, 'a' AS s;", "outputTable": OUTPUT, "writeMode": "append"},
    {
        "query": "SELECT 'b' AS s, 2 AS id",
        "outputTable": f"oleander.{NAMESPACE}.default.{NAME}",
        "writeMode": "append",
    },
    {
        "query": f'WITH t AS (SELECT max("id") AS top FROM {OUTPUT}) SELECT top FROM t',
        "outputTable": f"{SLUG}.{OUTPUT}",
        "writeMode": "overwrite",
    },
    {"query": "SELECT 1 AS one", "outputTable": f"default.{NAME}"},
    {"query": f"CREATE TABLE {NAMESPACE}.made_{NAME} USING iceberg AS SELECT id FROM range(3)"},
)
FAILING_QUERIES = (
    ({"query": f"SELECT * FROM {NAMESPACE}.nope"}, f"table {NAMESPACE}.nope does not exist"),
    ({"query": "SELEC 1"}, "ParseException: [PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'"),
    ({"query": "SELECT 1 AS a", "outputTable": "nowhere.t"}, "database nowhere does not exist"),
    (
        {"query": "SELECT 1 / (id - 1) AS a FROM range(3)", "outputTable": f"{NAMESPACE}.not_written"},
        "[DIVIDE_BY_ZERO] Division by zero",
    ),
)


@pytest.fixture(scope="module")
def printed(
    embedded_catalog: RunningCatalog, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Sequence[str]:
    """What each query printed. They run in one Spark; an application with a query of its own is tested end to end."""
    driver = Driver(tmp_path_factory.mktemp("queries"), embedded_catalog, embedded_catalog.ensure(SLUG))
    queries = [*SUCCEEDING, *(query for query, _ in FAILING_QUERIES)]
    names = driver.environment["ICEFIELD_CATALOG_NAMES"].split(",")
    outcome = driver.run(
        entrypoint=driver.upload("main.py", SEVERAL),
        arguments=[json.dumps(names), json.dumps(queries)],
        conf={"spark.sql.ansi.doubleQuotedIdentifiers": "true"},  # as applications with a query have it
    )
    assert outcome.code == 0, outcome.printed
    return re.split(r"^query \d+$", outcome.printed, flags=re.MULTILINE)[1:]


def test_queries_that_succeed(printed: Sequence[str]) -> None:
    assert not [text for text in printed[: len(SUCCEEDING)] if "Traceback" in text]


@pytest.mark.usefixtures("printed")
def test_a_query_overwrites_and_appends(catalog: Catalog) -> None:
    table = catalog.load_table(OUTPUT)
    appended = table.scan(snapshot_id=table.snapshots()[1].snapshot_id).to_arrow().to_pylist()
    assert sorted(appended, key=str) == [{"id": 1, "s": "a"}, {"id": 2, "s": "b"}]
    assert table.scan().to_arrow().to_pylist() == [{"top": 2}]


@pytest.mark.usefixtures("printed")
def test_the_namespace_default_is_there_for_everybody(catalog: Catalog) -> None:
    assert catalog.load_table(f"default.{NAME}").scan().to_arrow()["one"].to_pylist() == [1]


@pytest.mark.usefixtures("printed")
def test_a_statement_names_its_own_table(catalog: Catalog) -> None:
    assert catalog.load_table(f"{NAMESPACE}.made_{NAME}").scan().to_arrow().num_rows == 3


@pytest.mark.parametrize(("number", "expected"), list(enumerate(why for _, why in FAILING_QUERIES)))
def test_a_query_that_fails_says_why(printed: Sequence[str], catalog: Catalog, number: int, expected: str) -> None:
    why = sentence(printed[len(SUCCEEDING) + number], 1, Sizes("1600Mi", "1600Mi"), None)
    assert expected in why
    assert "\n" not in why
    assert not catalog.table_exists(f"{NAMESPACE}.not_written")


FAILING = """
    import os
    rows = {}
    rows["missing"]
"""
IN_A_TASK = """
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.range(4).map(lambda n: 1 // (n - 2)).collect()
"""
MEMORY = """
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext._jvm.java.util.ArrayList(2000000000)
"""


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (FAILING, "main.py line 4: KeyError: 'missing'"),
        (IN_A_TASK, "main.py line 4: ZeroDivisionError: integer division or modulo by zero"),
        (MEMORY, "the driver ran out of memory (limit 1600Mi): "),
        ("import sys; sys.exit(7)", "the application ended with exit code 7"),
    ],
)
def test_a_program_that_fails_says_why(driver: Driver, program: str, why: str) -> None:
    outcome = driver.run(entrypoint=driver.upload("main.py", program))
    assert outcome.code != 0
    assert outcome.why.startswith(why), outcome.printed


def test_what_cannot_be_fetched(driver: Driver) -> None:
    bucket, prefix = driver.site.bucket, driver.site.environment["ICEFIELD_PREFIX"]
    missing = f"s3://{bucket}/{prefix}/artifacts/none.py"
    assert driver.run(entrypoint=missing) == Outcome(
        1, f"icefield: {missing} does not exist\n", f"{missing} does not exist"
    )
    other = f"s3://{bucket}/workspaces/other/main.py"
    refused = driver.run(entrypoint=other)
    assert refused.why == f"{other} is not in the workspace's part of the object store, s3://{bucket}/{prefix}/"


def test_a_jar_without_the_class(driver: Driver) -> None:
    outcome = driver.run(entrypoint=driver.upload("app.jar", "no jar"), mainClass="com.example.Main")
    assert outcome.code != 0
    assert outcome.why == "there is no class com.example.Main in the jar", outcome.printed


ENDLESS = """
    import time
    from pyspark.sql import SparkSession
    SparkSession.builder.getOrCreate()
    print("started", flush=True)
    time.sleep(3600)
"""


def test_sigterm_ends_all_of_it(driver: Driver) -> None:
    process = driver.start(entrypoint=driver.upload("main.py", ENDLESS))
    assert process.stdout
    assert any("started" in line for line in process.stdout)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.terminate()
    outcome = driver.end(process)
    assert (outcome.code, outcome.why) == (143, "")
    assert psutil.wait_procs(family, timeout=10)[1] == []


FILES = """
    import sys
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    folder = sys.argv[1]
    rides = spark.read.csv(folder + "/rides.csv", header=True, inferSchema=True)
    rides.write.parquet(folder.replace("s3://", "s3a://") + "/out")
    rides.write.mode("overwrite").partitionBy("station").json(folder + "/by_station")
    print("rides", spark.read.parquet(folder + "/out").groupBy().sum("rides").first()[0])
    print("stations", spark.read.json(folder + "/by_station").select("station").distinct().count())
"""


def test_files_of_the_workspace(driver: Driver) -> None:
    folder = driver.upload("rides.csv", "station,rides\nCentral,12\nHarbour,7\n").removesuffix("/rides.csv")
    outcome = driver.run(entrypoint=driver.upload("main.py", FILES), arguments=[folder])
    assert outcome.code == 0, outcome.printed
    assert "rides 19\n" in outcome.printed
    assert "stations 2\n" in outcome.printed
    assert driver.site.secret_access_key not in outcome.printed
