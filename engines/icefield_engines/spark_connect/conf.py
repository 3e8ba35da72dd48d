"""Pure: from settings to Spark's configuration (spark.apache.org, "Configuration"; iceberg.apache.org, "Spark")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

from .settings import MIB, SparkSettings

DRIVER_PORT = 7078
BLOCK_MANAGER_PORT = 7079
_TOKENS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REDACTED = r"(?i)secret|passw|token|access[.-]?key|credential|authorization|session-key"
_LEAST_HEAP = 384 * MIB
_BESIDE_HEAP = 448 * MIB
"""Memory of a JVM besides its heap: classes, compiled code, threads, network buffers."""
_LEAST_OVERHEAD = 384 * MIB
_STACK = "-Xss3m"
"""Stack of each thread, of which only what is used takes memory: Spark plans chains of operators by recursion.

Not much more: with 16 MiB, a sum of 2,000 columns uses up a small heap, and Spark ends; so it is refused as too deep.
"""
_FEW_CORES = 2
"""Up to this many cores the JVM compiles with its first tier only: code is fast sooner, at less CPU."""

Conf = dict[str, str]


def configuration(spark: SparkSettings, catalog: CatalogSettings, store: StoreSettings) -> Conf:
    """Return all of Spark's configuration, keys of the object store and the catalog's token included."""
    return {
        "spark.app.name": f"icefield-{spark.workspace}-{spark.warehouse}",
        "spark.submit.deployMode": "client",
        "spark.ui.enabled": "false",
        "spark.log.level": "WARN",
        "spark.local.dir": str(spark.spill_directory / "spark"),
        "spark.driver.memory": f"{heap_bytes(spark.memory_limit_bytes) // MIB}m",
        "spark.driver.maxResultSize": f"{heap_bytes(spark.memory_limit_bytes) // MIB // 3}m",
        "spark.driver.extraJavaOptions": f"{java_options(spark.cpu_limit, spark.class_archive)} {_STACK}",
        "spark.driver.extraClassPath": class_path(spark),
        "spark.executor.extraClassPath": class_path(spark),
        "spark.scheduler.mode": "FAIR",
        **_connect(spark),
        **_sql(spark),
        **hidden(),
        **verbatim(),
        **iceberg_catalog(spark.workspace, spark, catalog, store),
        **(executors(spark) | _coming_and_going(spark) if spark.spark_executors_max else alone()),
    }


def heap_bytes(limit: int) -> int:
    """Return the heap of a JVM in a container with this much memory, both in bytes."""
    return max(_LEAST_HEAP, min(limit - _BESIDE_HEAP, limit * 8 // 10))


def class_path(spark: SparkSettings) -> str:
    """Return what driver and executors have on their class paths before Spark."""
    jars = f"{spark.jars}/*"
    if not spark.class_archive:
        return jars
    # First, since a JVM takes an archive only for a class path that starts as when the archive was made. The jars once
    # more, which changes nothing, for an executor's image that has no archive.
    return f"{spark.class_archive.with_suffix('.jar')}:{jars}"


def java_options(cpu_limit: float, class_archive: Path | None) -> str:
    """Return the options of a JVM of Spark besides its heap.

    Args:
        cpu_limit: cores of its container.
        class_archive: an archive of classes for it to map, if there is one.
    """
    options = [
        # A JVM out of memory is unusable: end, so that the container is restarted.
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:MaxDirectMemorySize=256m",
        "-Djava.net.preferIPv4Stack=true",
    ]
    if cpu_limit <= _FEW_CORES:
        options += ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    if class_archive:
        # A JVM that the archive does not fit starts without it, and need not say so in the user's log.
        options += [f"-XX:SharedArchiveFile={class_archive}", "-Xshare:auto", "-Xlog:cds*=off"]
    return " ".join(options)


def _connect(spark: SparkSettings) -> Conf:
    """Return the settings that confine Spark Connect to this pod: its port runs any code."""
    return {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(spark.spark_port),
        "spark.connect.grpc.port.maxRetries": "0",
        "spark.sql.artifact.copyFromLocalToFs.allowDestLocal": "false",
        "spark.connect.session.manager.defaultSessionTimeout": "365d",
        "spark.sql.connect.serverStacktrace.enabled": "false",
        "spark.pyspark.python": "/bin/false",
        "spark.python.use.daemon": "false",
    }


def _sql(spark: SparkSettings) -> Conf:
    return {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(spark.spill_directory / "spark" / "no-tables"),
        "spark.sql.defaultCatalog": spark.workspace,
        "spark.sql.ansi.enabled": "true",
        "spark.sql.ansi.doubleQuotedIdentifiers": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
        # SELECT … FROM parquet.`path` would read any file.
        "spark.sql.runSQLOnFiles": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
        "spark.sql.ui.retainedExecutions": "10",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    }


def hidden() -> Conf:
    """Return the settings that keep secrets out of SET, DESCRIBE, EXPLAIN and the log."""
    return {
        "spark.redaction.regex": _REDACTED,
        "spark.sql.redaction.options.regex": f"(?i)url|{_REDACTED.removeprefix('(?i)')}",
    }


def verbatim() -> Conf:
    """Return the setting that has Spark read texts as they are.

    It would replace `${system:…}` in statements, strings and views by properties of its JVM, which has keys and tokens.
    """
    return {"spark.sql.variable.substitute": "false"}


def iceberg_catalog(name: str, spark: SparkSettings, catalog: CatalogSettings, store: StoreSettings) -> Conf:
    """Return the settings of the workspace's catalog, under its name in SQL."""
    values = {
        "type": "rest",
        "uri": catalog.uri,
        "warehouse": catalog.warehouse,
        **_authentication(catalog),
        # Otherwise commits of other engines are not visible.
        "cache-enabled": "false",
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "client.region": store.region,
        "s3.endpoint": store.endpoint or "",
        "s3.path-style-access": "true" if store.endpoint else "",
        "s3.access-key-id": store.access_key_id,
        "s3.secret-access-key": store.secret_access_key.get_secret_value(),
        "s3.staging-dir": str(spark.spill_directory / "spark" / "staging") if not spark.spark_executors_max else "",
    }
    entry = f"spark.sql.catalog.{name}"
    return {entry: "org.apache.iceberg.spark.SparkCatalog"} | {
        f"{entry}.{key}": value for key, value in values.items() if value
    }


def _authentication(catalog: CatalogSettings) -> Conf:
    token = catalog.token.get_secret_value()
    if not token:
        return {"rest.auth.type": "none"}
    # The token is used as it is: there is no OAuth server to exchange it with.
    unused = f"{catalog.uri}/v1/oauth/tokens"
    return {
        "rest.auth.type": "oauth2",
        "token": token,
        "token-refresh-enabled": "false",
        "token-exchange-enabled": "false",
        "oauth2-server-uri": unused,
    }


def alone() -> Conf:
    """Return the settings for running everything in this container, with a driver on the loopback device."""
    return {"spark.master": "local[*]", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def executors(spark: SparkSettings) -> Conf:
    """Return the settings of executors in pods of their own (spark.apache.org, "Running Spark on Kubernetes")."""
    overhead = max(_LEAST_OVERHEAD, spark.spark_executor_memory_bytes * 3 // 10)
    heap = max(_LEAST_HEAP, spark.spark_executor_memory_bytes - overhead)
    return {
        "spark.master": "k8s://https://kubernetes.default.svc",
        "spark.kubernetes.namespace": spark.namespace,
        "spark.kubernetes.authenticate.oauthTokenFile": str(_TOKENS / "token"),
        "spark.kubernetes.authenticate.caCertFile": str(_TOKENS / "ca.crt"),
        "spark.kubernetes.driver.pod.name": spark.pod_name,
        "spark.kubernetes.executor.podNamePrefix": spark.pod_name[:40].rstrip("-"),
        "spark.kubernetes.executor.podTemplateFile": str(spark.spark_executor_template),
        "spark.kubernetes.executor.podTemplateContainerName": "executor",
        "spark.kubernetes.executor.disableConfigMap": "true",  # the template and the environment contain everything
        # The driver has neither services nor volumes, and no right to list them.
        "spark.kubernetes.driver.service.deleteOnTermination": "false",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
        "spark.kubernetes.driver.reusePersistentVolumeClaim": "false",
        "spark.kubernetes.executor.container.image": spark.spark_executor_image,
        "spark.kubernetes.executor.request.cores": spark.spark_executor_cpu_request,
        "spark.kubernetes.executor.limit.cores": str(spark.spark_executor_cpu),
        "spark.driver.host": spark.pod_ip,
        "spark.driver.bindAddress": "0.0.0.0",  # noqa: S104 - executors call the driver at the pod's address
        "spark.driver.port": str(DRIVER_PORT),
        "spark.driver.blockManager.port": str(BLOCK_MANAGER_PORT),
        "spark.executor.cores": str(spark.spark_executor_cpu),
        "spark.executor.memory": f"{heap // MIB}m",
        "spark.executor.memoryOverhead": f"{overhead // MIB}m",
        "spark.executor.extraJavaOptions": f"{java_options(spark.spark_executor_cpu, spark.class_archive)} {_STACK}",
    }


def _coming_and_going(spark: SparkSettings) -> Conf:
    """Return the settings of dynamic allocation."""
    return {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.minExecutors": str(spark.spark_executors_min),
        "spark.dynamicAllocation.initialExecutors": str(spark.spark_executors_min),
        "spark.dynamicAllocation.maxExecutors": str(spark.spark_executors_max),
        "spark.dynamicAllocation.executorIdleTimeout": "60s",
        "spark.dynamicAllocation.shuffleTracking.timeout": "300s",
        "spark.decommission.enabled": "true",
        "spark.storage.decommission.enabled": "true",
        "spark.storage.decommission.shuffleBlocks.enabled": "true",
        "spark.storage.decommission.rddBlocks.enabled": "true",
    }


def properties_file(conf: Mapping[str, str]) -> str:
    """Return configuration as the text of a Java properties file.

    Raises:
        ValueError: a value has a line break in it.
    """
    lines = []
    for key, value in sorted(conf.items()):
        if "\n" in value or "\r" in value:
            raise ValueError(f"{key} has a line break in it")
        escaped = value.replace("\\", "\\\\")
        lines.append(f"{key} {escaped}\n")
    return "".join(lines)


def command(spark_home: Path, properties: Path) -> list[str]:
    """Return the command that starts the Spark Connect server with a properties file."""
    return [
        str(spark_home / "bin" / "spark-submit"),
        "--properties-file",
        str(properties),
        "--class",
        "org.apache.spark.sql.connect.service.SparkConnectServer",
        "spark-internal",
    ]


def environment(own: Mapping[str, str], spark_home: Path, store: StoreSettings) -> dict[str, str]:
    """Return the environment Spark starts with: ours, less everything secret."""
    kept = {
        name: value
        for name, value in own.items()
        if not name.startswith(("AWS_", "ICEFIELD_CATALOG_", "ICEFIELD_GATEWAY_", "SPARK_", "PYSPARK_"))
    }
    # Iceberg's file IO asks the AWS SDK for a region before it reads its own.
    return {**kept, "SPARK_HOME": str(spark_home), "SPARK_USER": "icefield", "AWS_REGION": store.region}
