"""How Spark is configured and started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from icefield_engines.spark_connect.conf import (
    Conf,
    command,
    configuration,
    environment,
    heap_bytes,
    java_options,
    properties_file,
)
from icefield_engines.spark_connect.settings import MIB, SparkSettings
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

STORE = {
    "AWS_ENDPOINT_URL": "http://store:7070",
    "AWS_ACCESS_KEY_ID": "key-of-acme",
    "AWS_SECRET_ACCESS_KEY": "secret-of-acme",
    "ICEFIELD_BUCKET": "icefield",
    "ICEFIELD_PREFIX": "workspaces/acme",
}
TOKEN = "token-of-acme"


def _conf(*, token: str = TOKEN, store: dict[str, str] | None = None, **spark: Any) -> Conf:
    settings = SparkSettings(workspace="acme", **spark)
    catalog = CatalogSettings(uri="http://catalog:8181/catalog", warehouse="acme", token=token)
    return configuration(settings, catalog, StoreSettings(**(store or STORE)))  # type: ignore[arg-type]


def test_the_catalog_is_called_by_the_slug_and_reads_nothing_stale() -> None:
    conf = _conf()
    assert conf["spark.sql.defaultCatalog"] == "acme"
    assert conf["spark.sql.catalog.acme.uri"] == "http://catalog:8181/catalog"
    assert conf["spark.sql.catalog.acme.cache-enabled"] == "false"
    assert conf["spark.sql.catalog.acme.token"] == "token-of-acme"
    assert conf["spark.sql.catalog.acme.s3.access-key-id"] == "key-of-acme"
    assert conf["spark.sql.catalog.acme.s3.path-style-access"] == "true"


def test_a_catalog_without_tokens_is_asked_without() -> None:
    conf = _conf(token="")
    assert conf["spark.sql.catalog.acme.rest.auth.type"] == "none"
    assert "spark.sql.catalog.acme.token" not in conf


def test_amazons_own_store_has_no_endpoint() -> None:
    conf = _conf(store={name: value for name, value in STORE.items() if name != "AWS_ENDPOINT_URL"})
    assert "spark.sql.catalog.acme.s3.endpoint" not in conf
    assert "spark.sql.catalog.acme.s3.path-style-access" not in conf


def test_only_the_pod_itself_reaches_spark_connect() -> None:
    conf = _conf()
    assert conf["spark.connect.grpc.binding.address"] == "127.0.0.1"
    assert conf["spark.driver.bindAddress"] == "127.0.0.1"


def test_everything_runs_in_the_pod_unless_executors_are_wanted() -> None:
    assert _conf()["spark.master"] == "local[*]"
    conf = _conf(
        spark_executors_min=1,
        spark_executors_max=4,
        spark_executor_cpu=2,
        spark_executor_memory_bytes=4096 * MIB,
        spark_executor_image="icefield/warehouse:1",
        namespace="icefield-acme",
        pod_name="main-warehouse",
        pod_ip="10.0.0.7",
    )
    assert conf["spark.master"].startswith("k8s://")
    assert conf["spark.driver.host"] == "10.0.0.7"
    assert conf["spark.kubernetes.driver.pod.name"] == "main-warehouse"
    assert conf["spark.kubernetes.executor.container.image"] == "icefield/warehouse:1"
    assert conf["spark.dynamicAllocation.maxExecutors"] == "4"
    assert conf["spark.dynamicAllocation.shuffleTracking.enabled"] == "true"
    heap, overhead = conf["spark.executor.memory"], conf["spark.executor.memoryOverhead"]
    assert 4094 <= int(heap.rstrip("m")) + int(overhead.rstrip("m")) <= 4096
    assert conf["spark.connect.grpc.binding.address"] == "127.0.0.1"


@pytest.mark.parametrize("mebibytes", [1024, 2048, 8192, 65536])
def test_the_heap_leaves_room_for_the_rest_of_the_jvm(mebibytes: int) -> None:
    heap = heap_bytes(mebibytes * MIB) // MIB
    assert mebibytes * 0.4 < heap <= mebibytes - 400


def test_small_warehouses_compile_simply() -> None:
    assert "TieredStopAtLevel" in java_options(2, None)
    assert "TieredStopAtLevel" not in java_options(16, None)


def test_threads_have_stacks_for_long_chains_of_operators() -> None:
    conf = _conf(spark_executors_max=1)
    assert {"-Xss3m"} <= set(conf["spark.driver.extraJavaOptions"].split())
    assert {"-Xss3m"} <= set(conf["spark.executor.extraJavaOptions"].split())


def test_without_an_archive_of_classes_the_jvm_is_told_nothing_of_one() -> None:
    conf = _conf()
    assert "Share" not in conf["spark.driver.extraJavaOptions"]
    assert "Xlog" not in conf["spark.driver.extraJavaOptions"]
    assert conf["spark.driver.extraClassPath"] == "/opt/icefield/jars/*"


def test_an_archive_of_classes_serves_driver_and_executors_with_its_class_path_first() -> None:
    conf = _conf(class_archive=Path("/opt/icefield/spark.jsa"), spark_executors_max=1)
    for role in ("driver", "executor"):
        options = conf[f"spark.{role}.extraJavaOptions"].split()
        assert "-XX:SharedArchiveFile=/opt/icefield/spark.jsa" in options
        assert conf[f"spark.{role}.extraClassPath"] == "/opt/icefield/spark.jar:/opt/icefield/jars/*"


def test_an_archive_that_does_not_fit_is_passed_over_silently() -> None:
    options = java_options(16, Path("/opt/icefield/spark.jsa")).split()
    assert {"-Xshare:auto", "-Xlog:cds*=off"} <= set(options)


def test_nothing_secret_is_on_the_command_line_or_in_the_environment() -> None:
    own = {**STORE, "ICEFIELD_CATALOG_TOKEN": "token-of-acme", "PATH": "/bin", "SPARK_CONF_DIR": "/x"}
    kept = environment(own, Path("/spark"), StoreSettings(**STORE))  # type: ignore[arg-type]
    assert kept["PATH"] == "/bin"
    assert kept["AWS_REGION"] == "us-east-1"
    visible = " ".join([*command(Path("/spark"), Path("/run/x.properties")), *kept.values()])
    assert not [secret for secret in ("key-of-acme", "secret-of-acme", "token-of-acme") if secret in visible]


def test_properties_are_what_java_reads() -> None:
    assert properties_file({"b": "x y", "a": r"c:\d"}) == "a c:\\\\d\nb x y\n"
    with pytest.raises(ValueError, match="line break"):
        properties_file({"a": "x\ny"})
