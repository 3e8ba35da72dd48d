"""From a program that oleander's client submits to its Spark application."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.identity.principal import Principal
from icefield_crds import SparkApplication
from icefield_crds.requirements import NO_REQUIREMENTS, Requirements

from .application import new_application, tag_of
from .artifacts import ArtifactService
from .machines import Machines

_MACHINE_FIELDS = ("properties.driverMachineType", "properties.executorMachineType")
_KEY = re.compile(r"spark\.[A-Za-z0-9._-]+")
_PACKAGE = re.compile(r"[^:,\s]+:[^:,\s]+:[^:,\s]+")
_PROGRAMS = (".py", ".jar")
_PY_FILES = (".py", ".zip", ".egg")


@dataclass(frozen=True)
class SparkProgram:
    """A program to run.

    Attributes:
        entrypoint: name or id of an artifact, or `s3://...` of the workspace.
        machines: machine types and number of executors.
        arguments: arguments of the program.
        conf: Spark's configuration, each `spark.key=value`.
        packages: Maven coordinates.
        py_files: further Python files, named as the entrypoint is; the artifact's own when empty.
        main_class: the main class of a jar; the artifact's own when None.
        requirements: Python packages that driver and executors need.
    """

    entrypoint: str
    machines: Machines
    arguments: Sequence[str] = ()
    conf: Sequence[str] = ()
    packages: Sequence[str] = ()
    py_files: Sequence[str] = ()
    main_class: str | None = None
    requirements: Requirements = NO_REQUIREMENTS


async def application_of(principal: Principal, program: SparkProgram, artifacts: ArtifactService) -> SparkApplication:
    """Return the application of a program.

    Args:
        principal: the caller.
        program: the program.
        artifacts: the uploaded programs.

    Raises:
        BadRequest: it could never run.
    """
    entrypoint, artifact = await artifacts.program(principal, program.entrypoint, "properties.entrypoint")
    if not entrypoint.endswith(_PROGRAMS):
        raise BadRequest(f"Field properties.entrypoint: {program.entrypoint} is neither a .py nor a .jar.")
    main_class = program.main_class or (artifact.main_class if artifact else None)
    if entrypoint.endswith(".jar") and not main_class:
        raise BadRequest("Field properties.mainClass: a jar needs its main class.")
    named = program.py_files or split_names(artifact.py_files if artifact else None)
    return new_application(
        program.machines,
        _MACHINE_FIELDS,
        entrypoint=entrypoint,
        main_class=main_class if entrypoint.endswith(".jar") else None,
        arguments=list(program.arguments),
        py_files=[await _py_file(principal, name, artifacts) for name in named],
        packages=[_package(package) for package in program.packages],
        conf=dict(_setting(setting) for setting in program.conf),
    )


def tags_of(job_tags: Sequence[str], run_tags: Sequence[str]) -> list[dict[str, str]]:
    """Return the tags of a job's run: those of the job, and its own.

    Raises:
        BadRequest: one has no key.
    """
    return [tag_of(tag, "job") for tag in job_tags] + [tag_of(tag, "run") for tag in run_tags]


async def _py_file(principal: Principal, named: str, artifacts: ArtifactService) -> str:
    uri, _ = await artifacts.program(principal, named, "properties.pyFiles")
    if not uri.endswith(_PY_FILES):
        raise BadRequest(f"Field properties.pyFiles: {named} is none of {', '.join(_PY_FILES)}.")
    return uri


def split_names(named: str | list[str] | None) -> list[str]:
    """Return the names in a list, or in a text that separates them by commas."""
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
