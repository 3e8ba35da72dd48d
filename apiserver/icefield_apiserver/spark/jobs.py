"""From a job that oleander's client submits to the Spark application that it is."""

from __future__ import annotations

import re

from icefield_apiserver.errors import BadRequest, NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.repositories.artifacts import ArtifactRepository
from icefield_apiserver.schemas.spark import CLUSTER, SparkJobRequest, SparkProperties
from icefield_crds import SparkApplication

from .applications import application, tag_of
from .machines import Machines

_MACHINE_FIELDS = ("properties.driverMachineType", "properties.executorMachineType")
_KEY = re.compile(r"spark\.[A-Za-z0-9._-]+")
_PACKAGE = re.compile(r"[^:,\s]+:[^:,\s]+:[^:,\s]+")
_PROGRAMS = (".py", ".jar")
_PY_FILES = (".py", ".zip", ".egg")


def check_cluster(name: str) -> None:
    """Refuse a cluster that there is not.

    Raises:
        NotFound: it is not the one that there is.
    """
    if name != CLUSTER:
        raise NotFound(f"There is no Spark cluster {name}; the one that there is, is called {CLUSTER}.")


async def application_of(
    principal: Principal, properties: SparkProperties, artifacts: ArtifactRepository
) -> SparkApplication:
    """Return the application that a job runs.

    Args:
        principal: the caller.
        properties: what the job says.
        artifacts: the programs that there are.

    Raises:
        BadRequest: it could never run.
    """
    entrypoint, artifact = await artifacts.program(principal, properties.entrypoint, "properties.entrypoint")
    if not entrypoint.endswith(_PROGRAMS):
        raise BadRequest(f"Field properties.entrypoint: {properties.entrypoint} is neither a .py nor a .jar.")
    main_class = properties.main_class or (artifact.main_class if artifact else None)
    if entrypoint.endswith(".jar") and not main_class:
        raise BadRequest("Field properties.mainClass: a jar needs the class that it begins with.")
    named = _split(properties.py_files) or _split(artifact.py_files if artifact else None)
    machines = Machines(properties.driver_machine_type, properties.executor_machine_type, properties.executor_numbers)
    return application(
        machines,
        _MACHINE_FIELDS,
        entrypoint=entrypoint,
        main_class=main_class if entrypoint.endswith(".jar") else None,
        arguments=properties.entrypoint_arguments,
        py_files=[await _py_file(principal, name, artifacts) for name in named],
        packages=[_package(package) for package in properties.packages],
        conf=dict(_setting(setting) for setting in properties.spark_conf),
    )


def tags_of(request: SparkJobRequest) -> list[dict[str, str]]:
    """Return the tags of a job's run: those of the job, and its own.

    Raises:
        BadRequest: one has no key.
    """
    return [tag_of(tag, "job") for tag in request.job_tags] + [tag_of(tag, "run") for tag in request.run_tags]


async def _py_file(principal: Principal, named: str, artifacts: ArtifactRepository) -> str:
    uri, _ = await artifacts.program(principal, named, "properties.pyFiles")
    if not uri.endswith(_PY_FILES):
        raise BadRequest(f"Field properties.pyFiles: {named} is none of {', '.join(_PY_FILES)}.")
    return uri


def _split(named: str | list[str] | None) -> list[str]:
    parts = named.split(",") if isinstance(named, str) else named or []
    return [part.strip() for part in parts if part.strip()]


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not _KEY.fullmatch(key.strip()):
        raise BadRequest(f"Field properties.sparkConf: {text!r} is not spark.key=value.")
    return key.strip(), value.strip()


def _package(text: str) -> str:
    if not _PACKAGE.fullmatch(text.strip()):
        raise BadRequest(f"Field properties.packages: {text!r} is not group:artifact:version.")
    return text.strip()
