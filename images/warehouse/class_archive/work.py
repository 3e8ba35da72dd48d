"""What a Spark of ours typically does: SQL of a program and of Spark Connect, and calls of catalog, S3 and Kubernetes.

The classes that this loads are those of the archive.

    work.py <port of Spark Connect> <folder of tables>
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession as ClassicSession
from pyspark.sql.connect.session import SparkSession as ConnectSession
from services import Services

MAKE = (
    "CREATE NAMESPACE IF NOT EXISTS files.n",
    "CREATE TABLE files.n.t USING iceberg AS SELECT id, id % 3 AS k, concat('s', id) AS s, current_timestamp() AS at, "
    "CAST(id AS decimal(12, 2)) AS d, current_date() AS day FROM range(100)",
)
STATEMENTS = (
    "SHOW NAMESPACES IN files",
    "INSERT INTO files.n.t SELECT id, 1, NULL, current_timestamp(), 1.5, current_date() FROM range(5)",
    "SELECT k, count(*), sum(d), min(s), max(at), avg(id) FROM files.n.t GROUP BY k HAVING count(*) > 1 ORDER BY k",
    "SELECT a.s, row_number() OVER (PARTITION BY a.k ORDER BY a.id) AS r FROM files.n.t a JOIN files.n.t b "
    "ON a.id = b.id WHERE a.id < 10 LIMIT 5",
    "SELECT /*+ MERGE(b) */ count(DISTINCT a.s) FROM files.n.t a LEFT JOIN files.n.t b ON a.id = b.id",
    "UPDATE files.n.t SET s = 'x' WHERE id = 7",
    "DELETE FROM files.n.t WHERE id = 8",
    "MERGE INTO files.n.t t USING (SELECT id, 0L AS k, 'm' AS s FROM range(95, 105)) m ON t.id = m.id "
    "WHEN MATCHED THEN UPDATE SET s = m.s WHEN NOT MATCHED THEN INSERT (id, k, s) VALUES (m.id, m.k, m.s)",
    "CREATE TABLE files.n.p (id bigint, day date) USING iceberg PARTITIONED BY (days(day))",
    "INSERT INTO files.n.p SELECT id, date_add(DATE '2024-01-01', CAST(id AS int)) FROM range(3)",
    "INSERT OVERWRITE files.n.p SELECT id, DATE '2024-01-01' FROM range(3)",
    "DROP TABLE files.n.p",
    "SELECT snapshot_id FROM files.n.t.snapshots",
    "DESCRIBE TABLE files.n.t",
    "SHOW TABLES IN files.n",
)
ON_REST = ("SHOW NAMESPACES IN rest", "SELECT count(*) FROM rest.n.t")
FAILING = (
    # The catalog refuses each commit.
    "INSERT INTO rest.n.t SELECT * FROM rest.n.t LIMIT 1",
    "CREATE TABLE rest.n.new USING iceberg AS SELECT 1 AS a",
    "SELECT * FROM rest.n.nope",
    "SELEC 1",
)
POD = """{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"containers": [{
"name": "a", "image": "a", "env": [{"name": "A", "value": "b"}], "resources": {"limits": {"cpu": "1"}}}]}}"""


def main() -> None:
    """Do it."""
    port, tables = sys.argv[1:]
    # It would write whole errors to the log.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    classic = ClassicSession.builder.getOrCreate()
    connect = ConnectSession.builder.remote(f"sc://127.0.0.1:{port}").create()
    services = Services(Path(tables) / "n" / "t")
    for name, value in rest_catalog(services.url).items():
        connect.conf.set(f"spark.sql.catalog.rest{name}", value)
    for statement in (*MAKE, *STATEMENTS):
        classic.sql(statement).collect()
    for statement in (*STATEMENTS, *ON_REST):
        connect.sql(statement).toArrow()
    for statement in FAILING:
        with suppress(PySparkException):
            connect.sql(statement).collect()
    jvm: Any = classic.sparkContext._jvm
    use_s3(jvm, services.url)
    use_kubernetes(jvm, services.url)
    connect.stop()
    classic.stop()
    services.stop()


def rest_catalog(url: str) -> dict[str, str]:
    """Return the settings of a REST catalog, each without the name before it; its one table is of local files."""
    return {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "rest",
        ".uri": url,
        ".rest.auth.type": "oauth2",
        ".token": "none",
        ".token-refresh-enabled": "false",
        ".token-exchange-enabled": "false",
        ".oauth2-server-uri": f"{url}/v1/oauth/tokens",
        ".cache-enabled": "false",
        ".io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
    }


def use_s3(jvm: Any, url: str) -> None:
    """Write an object with Iceberg's client of S3, and read it."""
    properties = jvm.java.util.HashMap()
    for name, value in {
        "client.region": "us-east-1",
        "s3.endpoint": url,
        "s3.path-style-access": "true",
        "s3.access-key-id": "a",
        "s3.secret-access-key": "b",
    }.items():
        properties.put(name, value)
    files = jvm.org.apache.iceberg.aws.s3.S3FileIO()
    files.initialize(properties)
    stream = files.newOutputFile("s3://bucket/key").createOrOverwrite()
    stream.write(1)
    stream.close()
    stream = files.newInputFile("s3://bucket/key").newStream()
    stream.read()
    stream.close()
    files.close()


def use_kubernetes(jvm: Any, url: str) -> None:
    """List the pods and make one, with the client that Spark makes executors with."""
    kubernetes = jvm.io.fabric8.kubernetes.client
    configuration = kubernetes.ConfigBuilder(kubernetes.Config.empty()).withMasterUrl(url).withNamespace("a").build()
    client = kubernetes.KubernetesClientBuilder().withConfig(configuration).build()
    client.pods().list()
    client.resource(POD).create()
    client.close()


if __name__ == "__main__":
    main()
