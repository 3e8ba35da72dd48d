"""`python -m icefield_engines.spark_connect`: becomes the Spark Connect server of a warehouse's pod."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

from .conf import command, configuration, environment, properties_file
from .settings import SparkSettings


def main() -> None:
    """Write Spark's configuration where only we can read it, and become Spark."""
    spark, store = SparkSettings(), StoreSettings()
    conf = configuration(spark, CatalogSettings(), store)
    folder = spark.spill_directory / "spark"
    (folder / "staging").mkdir(parents=True, exist_ok=True)
    # Not on the command line, which every process of the pod can read.
    file = folder / "spark.properties"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(properties_file(conf))
    home = spark_home()
    os.chdir(folder)
    argv = command(home, file)
    os.execve(argv[0], argv, environment(os.environ, home, store))  # noqa: S606 - there is no shell in it


def spark_home() -> Path:
    """Return where pyspark, and with it Spark, is installed.

    Raises:
        FileNotFoundError: it is not installed.
    """
    found = importlib.util.find_spec("pyspark")
    if not found or not found.origin:
        raise FileNotFoundError("pyspark is not installed")
    return Path(found.origin).parent


if __name__ == "__main__":
    main()
