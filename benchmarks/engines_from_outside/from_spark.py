"""Spark, with the jars that Icefield's own warehouses have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from icefield_cluster import jars

from . import statements
from .place import DATABASE, Place

VERSION = pyspark.__version__


def use(place: Place, table: str) -> Iterator[str]:
    """Create, write, update and read a table; yield each thing that worked."""
    spark = _session(place)
    try:
        yield from statements.run(
            lambda text: spark.sql(text).collect(), f"lake.{DATABASE}.{table}", "(id BIGINT, name STRING) USING iceberg"
        )
    finally:
        spark.stop()


def _session(place: Place) -> SparkSession:
    folder = jars.ensure("warehouse", place.folder / "jars.log")
    store = f"-Djavax.net.ssl.trustStore={place.trust_store} -Djavax.net.ssl.trustStoreType=PKCS12"
    lake = "spark.sql.catalog.lake"
    conf = {
        "spark.jars": ",".join(map(str, sorted(Path(folder).glob("*.jar")))),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        lake: "org.apache.iceberg.spark.SparkCatalog",
        f"{lake}.type": "rest",
        f"{lake}.uri": place.uri,
        f"{lake}.warehouse": place.workspace,
        f"{lake}.token": place.token,
        "spark.driver.extraJavaOptions": store,
        # What a small machine takes.
        "spark.master": "local[1]",
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
    }
    builder = SparkSession.builder
    for key, value in conf.items():
        builder = builder.config(key, value)
    session: SparkSession = builder.getOrCreate()
    return session
