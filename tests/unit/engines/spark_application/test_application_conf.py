"""How an application's Spark is configured and started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from icefield_crds import SparkApplication
from icefield_engines.spark_application.conf import (
    SNAPSHOT_PROPERTY,
    Programs,
    command,
    configuration,
    environment,
    ignored_settings,
)
from icefield_engines.spark_application.errors import ApplicationError
from icefield_engines.spark_application.settings import ApplicationSettings
from icefield_engines.spark_connect.conf import Conf
from icefield_engines.spark_connect.settings import MIB, SparkSettings
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

STORE = StoreSettings.model_validate(
    {
        "AWS_ENDPOINT_URL": "http://store:7070",
        "AWS_ACCESS_KEY_ID": "key-of-acme",
        "AWS_SECRET_ACCESS_KEY": "secret-of-acme",
        "ICEFIELD_BUCKET": "icefield",
        "ICEFIELD_PREFIX": "workspaces/acme",
    }
)
MAIN = "s3://icefield/workspaces/acme/main.py"
OWN = ApplicationSettings(catalog_names="acme,oleander", run_id="run_0123456789ab", trust_store=Path("/nowhere"))
ON_EXECUTORS: dict[str, Any] = {
    "namespace": "icefield-acme",
    "pod_name": "nightly-main-19eac1a5-0",
    "pod_ip": "10.0.0.7",
    "spark_executors_max": 3,
    "spark_executor_cpu": 2,
    "spark_executor_memory_bytes": 4096 * MIB,
    "spark_executor_image": "warehouse:1",
}


def _application(**fields: Any) -> SparkApplication:
    return SparkApplication.model_validate({"entrypoint": MAIN, "executors": 0, **fields})


def _conf(application: SparkApplication, own: ApplicationSettings = OWN, **spark: Any) -> Conf:
    settings = SparkSettings(workspace="acme", **spark)
    catalog = CatalogSettings(uri="https://api/iceberg", warehouse="acme", token="token-of-the-run")
    return configuration(application, own, settings, catalog, STORE, Programs(Path("/usr/bin/python")))


def test_the_catalog_answers_to_each_of_its_names() -> None:
    conf = _conf(_application())
    assert conf["spark.sql.defaultCatalog"] == "acme"
    for name in ("acme", "oleander"):
        assert conf[f"spark.sql.catalog.{name}.uri"] == "https://api/iceberg"
        assert conf[f"spark.sql.catalog.{name}.warehouse"] == "acme"
        assert conf[f"spark.sql.catalog.{name}.token"] == "token-of-the-run"
        assert conf[f"spark.sql.catalog.{name}.cache-enabled"] == "false"
    assert conf[SNAPSHOT_PROPERTY] == "run_0123456789ab"


def test_programs_open_the_files_of_the_workspace() -> None:
    conf = _conf(_application())
    assert conf["spark.hadoop.fs.s3a.endpoint"] == "http://store:7070"
    assert conf["spark.hadoop.fs.s3a.secret.key"] == "secret-of-acme"
    assert _conf(_application(conf={"spark.hadoop.fs.s3a.threads.max": "4"}))["spark.hadoop.fs.s3a.threads.max"] == "4"


def test_sql_opens_tables_only() -> None:
    conf = _conf(SparkApplication.model_validate({"sql": {"query": "SELECT 1"}, "executors": 0}))
    assert not [key for key in conf if key.startswith("spark.hadoop.fs.")]


def test_without_executors_nobody_outside_has_business_with_the_driver() -> None:
    conf = _conf(_application())
    assert conf["spark.master"] == "local[*]"
    assert conf["spark.driver.bindAddress"] == "127.0.0.1"


def test_executors_are_as_many_as_were_asked_for() -> None:
    conf = _conf(_application(executors=3), **ON_EXECUTORS)
    assert conf["spark.master"].startswith("k8s://")
    assert conf["spark.executor.instances"] == "3"
    assert conf["spark.dynamicAllocation.enabled"] == "false"
    assert conf["spark.kubernetes.executor.podNamePrefix"] == "nightly-main-19eac1a5-0"
    heap, overhead = (conf[f"spark.executor.{name}"].removesuffix("m") for name in ("memory", "memoryOverhead"))
    assert 4094 <= int(heap) + int(overhead) <= 4096
    assert "spark.sql.catalog.acme.s3.staging-dir" not in conf


@pytest.mark.parametrize(
    "key",
    [
        "spark.master",
        "spark.sql.variable.substitute",
        "spark.submit.deployMode",
        "spark.kubernetes.executor.podTemplateFile",
        "spark.kubernetes.authenticate.oauthTokenFile",
        "spark.driver.host",
        "spark.driver.port",
        "spark.driver.memory",
        "spark.executor.instances",
        "spark.executor.memoryOverheadFactor",
        "spark.dynamicAllocation.enabled",
        "spark.pyspark.python",
        "spark.sql.catalog.acme",
        "spark.sql.catalog.acme.uri",
        "spark.sql.catalog.oleander.token",
        "spark.redaction.regex",
    ],
)
@pytest.mark.parametrize("executors", [0, 3])
def test_what_the_platform_says_stands(key: str, executors: int) -> None:
    application = _application(conf={key: "mine"}, executors=executors)
    more: dict[str, Any] = ON_EXECUTORS if executors else {}
    assert ignored_settings(application, OWN) == [key]
    assert _conf(application, **more) == _conf(_application(executors=executors), **more)


def test_everything_else_is_the_authors() -> None:
    conf = {
        "spark.app.name": "mine",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.catalog.elsewhere": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.acme2.uri": "https://elsewhere",
        "spark.log.level": "INFO",
        "spark.executorEnv.MODE": "fast",
    }
    application = _application(conf=conf)
    assert ignored_settings(application, OWN) == []
    assert conf.items() <= _conf(application).items()


def test_options_of_a_jvm_and_extensions_stand_beside_ours() -> None:
    conf = _conf(
        _application(conf={"spark.driver.extraJavaOptions": "-Dmine=1", "spark.sql.extensions": "com.example.Mine"})
    )
    assert conf["spark.driver.extraJavaOptions"].startswith("-Dmine=1 -XX:")
    assert conf["spark.sql.extensions"] == (
        "com.example.Mine,org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    )


def test_an_archive_of_classes_serves_applications_too() -> None:
    conf = _conf(_application(executors=3), **ON_EXECUTORS, class_archive=Path("/opt/icefield/spark.jsa"))
    for role in ("driver", "executor"):
        assert "-XX:SharedArchiveFile=/opt/icefield/spark.jsa" in conf[f"spark.{role}.extraJavaOptions"]
        assert conf[f"spark.{role}.extraClassPath"].startswith("/opt/icefield/spark.jar:")


@pytest.mark.parametrize("key", ["spark.x\nspark.master", "spark.x y", "spark\\u002emaster", "a=b", "a:b", ""])
def test_a_setting_cannot_be_another_in_disguise(key: str) -> None:
    with pytest.raises(ApplicationError, match="is not the name of a setting"):
        _conf(_application(conf={key: "local"}))


def test_java_trusts_whom_the_workspace_trusts(tmp_path: Path) -> None:
    store = tmp_path / "ca-bundle.p12"
    store.write_bytes(b"")
    own = OWN.model_copy(update={"trust_store": store})
    conf = _conf(_application(executors=1), own, **ON_EXECUTORS)
    for who in ("driver", "executor"):
        assert f"-Djavax.net.ssl.trustStore={store}" in conf[f"spark.{who}.extraJavaOptions"]
    assert "trustStore" not in _conf(_application())["spark.driver.extraJavaOptions"]


def test_double_quotes_are_names_where_sql_comes_from_the_platform() -> None:
    key = "spark.sql.ansi.doubleQuotedIdentifiers"
    assert _conf(SparkApplication.model_validate({"sql": {"query": "SELECT 1"}, "executors": 0}))[key] == "true"
    assert key not in _conf(_application())


def test_arguments_come_last() -> None:
    application = SparkApplication.model_validate(
        {"entrypoint": "s3://b/app.jar", "mainClass": "com.example.Main", "arguments": ["--class", "x"]}
    )
    argv = command(Path("/spark"), Path("/p"), application, Path("/app.jar"), [Path("/a.py"), Path("/b.zip")])
    assert argv == [
        "/spark/bin/spark-submit",
        *("--properties-file", "/p", "--class", "com.example.Main", "--py-files", "/a.py,/b.zip"),
        *("/app.jar", "--class", "x"),
    ]


def test_the_environment_is_the_containers_but_for_sparks_own() -> None:
    given = {"PARAM_DAY": "monday", "AWS_ACCESS_KEY_ID": "k", "SPARK_CONF_DIR": "/mine", "PYSPARK_PYTHON": "/mine"}
    assert environment(given, Path("/spark"), STORE) == {
        "PARAM_DAY": "monday",
        "AWS_ACCESS_KEY_ID": "k",
        "SPARK_HOME": "/spark",
        "SPARK_USER": "icefield",
        "AWS_REGION": "us-east-1",
    }


@pytest.mark.parametrize(("given", "expected"), [({}, "wh_1"), ({"POLNOR_WAREHOUSE_ID": "wh_2"}, "wh_2")])
def test_the_default_warehouse_is_known_unless_another_was_given(given: dict[str, str], expected: str) -> None:
    found = environment({"ICEFIELD_DEFAULT_WAREHOUSE_ID": "wh_1", **given}, Path("/spark"), STORE)
    assert found["POLNOR_WAREHOUSE_ID"] == expected
