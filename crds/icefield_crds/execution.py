"""Commands and tasks, as Jobs declare them and Runs execute them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from .meta import Model
from .requirements import IN_WORDS as REQUIREMENTS_IN_WORDS
from .requirements import MAX_LOCK_LENGTH, MAX_REQUIREMENTS, Requirement

# Lengths are in characters, which Kubernetes counts as Python does; docs/jobs.md lists all of them.
MAX_TASKS = 100
MAX_DEPENDENCIES = 25
MAX_RETRIES = 20
MAX_DISRUPTION_RETRIES = 20
DEFAULT_DISRUPTION_RETRIES = 3
MAX_SECONDS = 365 * 24 * 3600
MAX_KEY_LENGTH = 63
MAX_NAME_LENGTH = 253
"""Of images, flavors, variables, files, parameters, and the keys of Secrets and ConfigMaps."""
MAX_COMMAND_LENGTH = 32768
MAX_VARIABLES = 100
MAX_FILES = 50
MAX_FILE_LENGTH = 262144
MAX_PARAMS = 100
MAX_VALUE_LENGTH = 32768
"""Of a variable or a parameter."""
MAX_ATTEMPTS = 1 + MAX_RETRIES + MAX_DISRUPTION_RETRIES

ShortText = Annotated[str, Field(max_length=MAX_NAME_LENGTH)]
Command = Annotated[str, Field(min_length=1, max_length=MAX_COMMAND_LENGTH)]
_KEY = r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_PATH = r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"
IN_A_PATH = r"^[^/]*$"
"""What a display name is, by which a path of the REST API finds the resource."""
_HOST = (
    r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(:[0-9]+)?"
)
_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
IMAGE = (
    rf"^({_HOST}/)?{_COMPONENT}(/{_COMPONENT})*(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,})?$"
)
"""The grammar of github.com/distribution/reference v0.6, by which the kubelet reads an image's name."""
IN_WORDS = {
    **REQUIREMENTS_IN_WORDS,
    _KEY: "should have letters, digits, - and _ only, and begin and end with a letter or digit",
    _VARIABLE: "should have letters, digits and _ only, and not begin with a digit",
    _PATH: "should be a path below the working directory, such as lib/util.py, each part of which has letters, digits, "
    "'.', - and _ only and begins with a letter, digit or _",
    IN_A_PATH: "should have no /, which no path of the API could name",
    IMAGE: "should be the name of an image, such as python:3.13-slim or registry.acme.eu/team/etl@sha256:…",
}
"""What a text should be that does not match one of the patterns."""


def matching(pattern: str) -> dict[str, Any]:
    """Return what has Kubernetes refuse a text that does not match, in words.

    It is no constraint of the model: what was stored before can still be read.

    Args:
        pattern: one of `IN_WORDS`.
    """
    quoted = pattern.replace("\\", "\\\\")
    return {"x-kubernetes-validations": [{"rule": f"self.matches('{quoted}')", "message": IN_WORDS[pattern]}]}


TaskKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH, pattern=_KEY)]
VariableName = Annotated[str, Field(max_length=MAX_NAME_LENGTH, pattern=_VARIABLE)]
FilePath = Annotated[str, Field(max_length=MAX_NAME_LENGTH, pattern=_PATH)]
Lock = Annotated[str, Field(max_length=MAX_LOCK_LENGTH)]
_LOCK_DESCRIPTION = "A pylock.toml, or requirements with hashes, to be installed as it stands"


class KeySelector(Model):
    """One key of a Secret or a ConfigMap in the workspace's namespace."""

    name: Annotated[str, Field(description="Name of the Secret or ConfigMap.", max_length=MAX_NAME_LENGTH)]
    key: Annotated[str, Field(description="Key in it.", max_length=MAX_NAME_LENGTH)]


class EnvVarSource(Model):
    """Source of a variable's value."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                    "message": "give either secretKeyRef or configMapKeyRef",
                }
            ]
        }
    )

    secret_key_ref: Annotated[KeySelector | None, Field(description="A key of a Secret.")] = None
    config_map_key_ref: Annotated[KeySelector | None, Field(description="A key of a ConfigMap.")] = None


class EnvVar(Model):
    """One environment variable, as in a container."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!(has(self.value) && has(self.valueFrom))",
                    "message": "give either value or valueFrom, not both",
                }
            ]
        }
    )

    name: Annotated[VariableName, Field(description="Name of the variable.")]
    value: Annotated[str | None, Field(description="Its value.", max_length=MAX_VALUE_LENGTH)] = None
    value_from: Annotated[EnvVarSource | None, Field(description="Where its value comes from.")] = None


class File(Model):
    """A small text file that is written to the working directory before the command starts."""

    path: Annotated[FilePath, Field(description="Path below the working directory, such as ingest.py or lib/util.py.")]
    content: Annotated[str, Field(description="The file's text.", max_length=MAX_FILE_LENGTH)]


class Task(Model):
    """One node of a job's DAG."""

    key: Annotated[TaskKey, Field(description="Name of the task, unique in its job.")]
    command: Annotated[Command, Field(description="What runs, under `sh -c`, in the task's image.")]
    depends_on: Annotated[
        list[TaskKey],
        Field(
            description="Keys of the tasks that must succeed before this one starts.",
            max_length=MAX_DEPENDENCIES,
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = []
    image: Annotated[
        ShortText | None,
        Field(description="Container image; the job's when absent.", json_schema_extra=matching(IMAGE)),
    ] = None
    flavor: Annotated[ShortText | None, Field(description="Name of a Flavor; the job's when absent.")] = None
    env: Annotated[
        list[EnvVar],
        Field(
            description="Environment variables; they win over the job's.",
            max_length=MAX_VARIABLES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    requirements: Annotated[
        list[Requirement],
        Field(
            description="Python packages that it needs (PEP 508), besides the job's.",
            max_length=MAX_REQUIREMENTS,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = []
    lock: Annotated[
        Lock | None, Field(description=f"{_LOCK_DESCRIPTION}; in place of the job's requirements and lock.")
    ] = None
    max_retries: Annotated[
        int | None,
        Field(description="How often a failed task is retried; the job's when absent.", ge=0, le=MAX_RETRIES),
    ] = None
    max_disruption_retries: Annotated[
        int | None,
        Field(
            description="How often a task is started again that the cluster ended; the job's when absent.",
            ge=0,
            le=MAX_DISRUPTION_RETRIES,
        ),
    ] = None
    timeout_seconds: Annotated[
        int | None,
        Field(
            description="Longest time one attempt may take, in seconds, from when a node has taken its pod.",
            ge=1,
            le=MAX_SECONDS,
        ),
    ] = None


_KNOWN_DEPENDENCIES = {
    "rule": "self.all(t, !has(t.dependsOn) || t.dependsOn.all(d, self.exists(o, o.key == d)))",
    "message": "dependsOn names a task that does not exist",
}
_NO_SELF_DEPENDENCY = {
    "rule": "self.all(t, !has(t.dependsOn) || !(t.key in t.dependsOn))",
    "message": "a task cannot depend on itself",
}


class Execution(Model):
    """What runs, and how: the fields that a Job declares and a Run fixes when it is created.

    Of a Run that names only a job, the operator copies them from the job into status.snapshot once.
    """

    def flavors(self, default: str) -> set[str]:
        """Return the names of the Flavors that the tasks have.

        Args:
            default: the one of what names none.
        """
        own = self.flavor or default
        return {own} if self.tasks is None else {task.flavor or own for task in self.tasks}

    command: Annotated[
        Command | None, Field(description="What runs, under `sh -c`, when there is a single command and no DAG.")
    ] = None
    tasks: Annotated[
        list[Task] | None,
        Field(
            description="The DAG: tasks and what each depends on.",
            max_length=MAX_TASKS,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["key"],
                "x-kubernetes-validations": [_KNOWN_DEPENDENCIES, _NO_SELF_DEPENDENCY],
            },
        ),
    ] = None
    image: Annotated[
        ShortText | None,
        Field(
            description="Container image; the platform's runtime (Python, Polars, DuckDB, PyArrow) when absent.",
            json_schema_extra=matching(IMAGE),
        ),
    ] = None
    flavor: Annotated[
        ShortText | None, Field(description="Name of the Flavor that sizes each task; the workspace's when absent.")
    ] = None
    env: Annotated[
        list[EnvVar],
        Field(
            description="Environment variables of every task.",
            max_length=MAX_VARIABLES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    files: Annotated[
        list[File],
        Field(
            description="Text files that are written to every task's working directory.",
            max_length=MAX_FILES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["path"]},
        ),
    ] = []
    params: Annotated[
        dict[str, Annotated[str, Field(max_length=MAX_VALUE_LENGTH)]],
        Field(
            description="Parameters: each reaches the tasks as PARAM_<NAME>, and all as JSON in ICEFIELD_PARAMS.",
            max_length=MAX_PARAMS,
        ),
    ] = {}
    requirements: Annotated[
        list[Requirement],
        Field(
            description="Python packages (PEP 508) that every task needs, or the Polars workload or Spark application.",
            max_length=MAX_REQUIREMENTS,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = []
    lock: Annotated[Lock | None, Field(description=f"{_LOCK_DESCRIPTION}; in place of requirements.")] = None
    timeout_seconds: Annotated[
        int | None,
        Field(
            description="Longest time from the creation of a run to its end, in seconds, waiting included.",
            ge=1,
            le=MAX_SECONDS,
        ),
    ] = None
    max_retries: Annotated[
        int | None,
        Field(description="How often a failed task is retried, where the task does not set it.", ge=0, le=MAX_RETRIES),
    ] = None
    max_disruption_retries: Annotated[
        int | None,
        Field(
            description="How often a task is started again that the cluster ended (eviction, drain, lost node, deleted "
            f"pod), where the task does not set it; {DEFAULT_DISRUPTION_RETRIES} when absent.",
            ge=0,
            le=MAX_DISRUPTION_RETRIES,
        ),
    ] = None
