"""`python -m icefield_engines.spark_application`: the first process of a driver's pod."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import ValidationError

from icefield_crds import SparkApplication
from icefield_engines.spark_connect.__main__ import spark_home
from icefield_engines.spark_connect.conf import properties_file
from icefield_engines.spark_connect.settings import MIB, SparkSettings
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

from . import submit
from .conf import Programs, command, configuration, environment, ignored_settings
from .errors import ApplicationError
from .failure import Sizes, cut, sentence
from .fetch import Files
from .settings import ApplicationSettings

QUERY_PROGRAM = Path(__file__).with_name("query.py")


class LauncherSettings(NamedTuple):
    """All settings, from the environment."""

    own: ApplicationSettings
    spark: SparkSettings
    catalog: CatalogSettings
    store: StoreSettings

    @classmethod
    def from_environment(cls) -> Self:
        """Read it."""
        return cls(ApplicationSettings(), SparkSettings(), CatalogSettings(), StoreSettings())


def main() -> None:
    """Run the application; report in one sentence why it failed, if it did."""
    settings = LauncherSettings.from_environment()
    try:
        application = _application(settings.own.application)
        ended = submit.run(*_prepare(application, settings))
    except ApplicationError as error:
        _fail(settings.own.termination_log, str(error), 1)
    if ended.was_terminated:
        sys.exit(128 + signal.SIGTERM)
    if ended.code:
        sizes = Sizes(_size(settings.spark.memory_limit_bytes), _size(settings.spark.spark_executor_memory_bytes))
        file = (application.entrypoint or "").rsplit("/", 1)[-1]
        why = sentence(ended.printed, ended.code, sizes, file if file.endswith(".py") else None)
        _fail(settings.own.termination_log, why, ended.code)


def _application(file: Path) -> SparkApplication:
    try:
        return SparkApplication.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ApplicationError(f"the application cannot be read: {error}") from error


def _prepare(application: SparkApplication, settings: LauncherSettings) -> tuple[list[str], dict[str, str], Path]:
    """Fetch the files and write the configuration; return command, environment and folder."""
    own, spark, catalog, store = settings
    folder = spark.spill_directory / "spark"
    for name in ("staging", "files", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    libraries: list[Path] = []
    program = QUERY_PROGRAM
    if application.entrypoint:
        files = Files(store, folder / "files")
        program = files.fetch(application.entrypoint)
        libraries = [files.fetch(url) for url in application.py_files]
    else:
        application = application.model_copy(update={"arguments": [str(own.application)]})
    if ignored := ignored_settings(application, own):
        print(f"ignored, because the platform sets them: {', '.join(ignored)}", file=sys.stderr)
    try:
        text = properties_file(configuration(application, own, spark, catalog, store, Programs(own.python)))
    except ValueError as error:
        raise ApplicationError(str(error)) from error
    # Not on the command line, which every process of the pod can read.
    properties = folder / "spark.properties"
    properties.touch(mode=0o600)
    properties.write_text(text)
    home = spark_home()
    argv = command(home, properties, application, program, libraries)
    return argv, environment(os.environ, home, store), folder / "work"


def _size(memory: int) -> str:
    return f"{memory // MIB}Mi"


def _fail(termination_log: Path, why: str, code: int) -> None:
    print(f"icefield: {why}", file=sys.stderr)
    termination_log.write_text(cut(why))
    sys.exit(code)


if __name__ == "__main__":
    main()
