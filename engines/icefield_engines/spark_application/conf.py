"""Pure: from an application to Spark's configuration: defaults, settings of its author, reserved settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from icefield_crds import SparkApplication
from icefield_engines.spark_connect.conf import (
    Conf,
    alone,
    class_path,
    executors,
    heap_bytes,
    hidden,
    iceberg_catalog,
    java_options,
    verbatim,
)
from icefield_engines.spark_connect.settings import MIB, SparkSettings
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

from .errors import ApplicationError
from .settings import ApplicationSettings

SNAPSHOT_PROPERTY = "spark.sql.iceberg.snapshot-property.icefield.run-id"
ICEBERG = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
_PYTHON_BYTES = 256 * MIB
"""What the driver's Python takes beside the JVM."""
_POD_NAME_PREFIX_LENGTH = 47
"""Spark's own limit: what it appends must fit a DNS label."""

_JOINED = {
    "spark.driver.extraJavaOptions": " ",
    "spark.executor.extraJavaOptions": " ",
    "spark.driver.extraClassPath": ":",
    "spark.executor.extraClassPath": ":",
    "spark.sql.extensions": ",",
}
"""Settings whose author's value is joined with ours, and the separator between the two."""

_RESERVED = re.compile(
    r"spark\.(kubernetes\..*|master|submit\..*|app\.id|local\.dir|home|ui\.port"
    r"|authenticate.*|network\.crypto\..*|ssl\..*|io\.encryption\..*"
    r"|driver\.(host|port|bindAddress|blockManager\.port|cores|memory|memoryOverhead.*|resource\..*)"
    r"|executor\.(instances|cores|memory|memoryOverhead.*|resource\..*)|cores\.max"
    r"|blockManager\.port|port\.maxRetries|dynamicAllocation\..*|pyspark\.(python|driver\.python)"
    r"|jars\.(ivy|ivySettings)|yarn\..*|redaction.*|sql\.variable\.substitute)"
)
"""Settings reserved for the platform: where everything runs, its size, and who may reach it."""
_KEY = re.compile(r"[A-Za-z0-9_.-]+")
"""Allowed names of settings; other characters could start another setting in a properties file."""


class Programs(NamedTuple):
    """Programs that Spark starts."""

    python: Path


def configuration(
    application: SparkApplication,
    own: ApplicationSettings,
    spark: SparkSettings,
    catalog: CatalogSettings,
    store: StoreSettings,
    programs: Programs,
) -> Conf:
    """Return all of Spark's configuration, keys of the object store and the catalog's token included.

    Raises:
        ApplicationError: a setting has an impossible name.
    """
    for key in application.conf:
        if not _KEY.fullmatch(key):
            raise ApplicationError(f"{key!r} is not the name of a setting of Spark")
    fixed = _fixed(application, own, spark, catalog, store, programs)
    ignored = set(ignored_settings(application, own))
    theirs = {key: value for key, value in application.conf.items() if key not in ignored}
    joined = {key: _joined(key, theirs.get(key), fixed.get(key)) for key in _JOINED if key in theirs or key in fixed}
    return _defaults(application, own) | _files(application, spark, store) | theirs | fixed | joined


def ignored_settings(application: SparkApplication, own: ApplicationSettings) -> list[str]:
    """Return an application's settings that are reserved for the platform, sorted."""
    catalogs = tuple(f"spark.sql.catalog.{name}" for name in own.names)
    return sorted(
        key
        for key in application.conf
        if _RESERVED.fullmatch(key) or key in catalogs or key.startswith(tuple(f"{name}." for name in catalogs))
    )


def _joined(key: str, theirs: str | None, ours: str | None) -> str:
    # Ours last: of two options of a JVM the later one counts.
    return _JOINED[key].join(value for value in (theirs, ours) if value)


def _defaults(application: SparkApplication, own: ApplicationSettings) -> Conf:
    """Return the defaults, which an author may override."""
    return {
        "spark.app.name": own.run_id,
        "spark.log.level": "WARN",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.catalogImplementation": "in-memory",
        # SQL is written as for warehouses, where "x" is a name; programs as for any Spark.
        **({"spark.sql.ansi.doubleQuotedIdentifiers": "true"} if application.sql else {}),
    }


def _files(application: SparkApplication, spark: SparkSettings, store: StoreSettings) -> Conf:
    """Return what opens s3:// and s3a:// to a program (hadoop.apache.org, "Hadoop-AWS module"); SQL has tables only."""
    if application.sql:
        return {}
    values = {
        "s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "s3a.endpoint": store.endpoint or "",
        "s3a.endpoint.region": store.region,
        "s3a.path.style.access": "true" if store.endpoint else "",
        "s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "s3a.access.key": store.access_key_id,
        "s3a.secret.key": store.secret_access_key.get_secret_value(),
        "s3a.buffer.dir": str(spark.spill_directory / "spark" / "s3a") if not spark.spark_executors_max else "",
    }
    return {f"spark.hadoop.fs.{key}": value for key, value in values.items() if value}


def _fixed(
    application: SparkApplication,
    own: ApplicationSettings,
    spark: SparkSettings,
    catalog: CatalogSettings,
    store: StoreSettings,
    programs: Programs,
) -> Conf:
    scratch = spark.spill_directory / "spark"
    heap = heap_bytes(spark.memory_limit_bytes - _PYTHON_BYTES)
    trust = _trust(own.trust_store)
    conf = {
        "spark.submit.deployMode": "client",
        "spark.local.dir": str(scratch),
        "spark.driver.memory": f"{heap // MIB}m",
        "spark.driver.extraJavaOptions": f"{java_options(spark.cpu_limit, spark.class_archive)}{trust}",
        "spark.driver.extraClassPath": class_path(spark),
        "spark.executor.extraClassPath": class_path(spark),
        "spark.jars.ivy": str(scratch / "ivy"),
        "spark.pyspark.python": str(programs.python),
        "spark.pyspark.driver.python": str(programs.python),
        "spark.sql.extensions": ICEBERG,
        "spark.sql.warehouse.dir": str(scratch / "no-tables"),
        "spark.sql.defaultCatalog": spark.workspace,
        SNAPSHOT_PROPERTY: own.run_id,
        **hidden(),
        **verbatim(),
        # What others wrote as views is read with the keys of this application.
        **({"spark.sql.runSQLOnFiles": "false"} if application.sql else {}),
        **({"spark.jars.packages": ",".join(application.packages)} if application.packages else {}),
    }
    for name in own.names:
        conf |= iceberg_catalog(name, spark, catalog, store)
    return conf | (_on_executors(application, spark, trust) if application.executors else alone())


def _on_executors(application: SparkApplication, spark: SparkSettings, trust: str) -> Conf:
    return executors(spark) | {
        "spark.executor.instances": str(application.executors),
        "spark.dynamicAllocation.enabled": "false",
        "spark.kubernetes.executor.podNamePrefix": spark.pod_name[:_POD_NAME_PREFIX_LENGTH].rstrip("-"),
        "spark.executor.extraJavaOptions": f"{java_options(spark.spark_executor_cpu, spark.class_archive)}{trust}",
    }


def _trust(trust_store: Path) -> str:
    if not trust_store.exists():
        return ""
    return f" -Djavax.net.ssl.trustStore={trust_store} -Djavax.net.ssl.trustStoreType=PKCS12"


def command(
    spark_home: Path, properties: Path, application: SparkApplication, program: Path, libraries: Sequence[Path]
) -> list[str]:
    """Return the command that starts an application.

    Args:
        spark_home: where Spark is installed.
        properties: the file with its configuration.
        application: what to run.
        program: the Python file or jar.
        libraries: Python files for driver and executors.
    """
    argv = [str(spark_home / "bin" / "spark-submit"), "--properties-file", str(properties)]
    if application.main_class:
        argv += ["--class", application.main_class]
    if libraries:
        argv += ["--py-files", ",".join(map(str, libraries))]
    return [*argv, str(program), *application.arguments]


def environment(given: Mapping[str, str], spark_home: Path, store: StoreSettings) -> dict[str, str]:
    """Return the environment that Spark and the application start with: that of the container."""
    kept = {name: value for name, value in given.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    # Iceberg's file IO asks the AWS SDK for a region before it reads its own.
    if warehouse := given.get("ICEFIELD_DEFAULT_WAREHOUSE_ID"):
        kept.setdefault("POLNOR_WAREHOUSE_ID", warehouse)
    return {**kept, "SPARK_HOME": str(spark_home), "SPARK_USER": "icefield", "AWS_REGION": store.region}
